import { readFileSync } from 'node:fs';
import test from 'ava';
import { execa } from 'execa';
import { quickjsSourceFiles } from '../../scripts/front.ts';
import { testProgram } from '../support/programs/test-program.ts';

const conversion = /%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d*))?(?:hh?|ll?|[zjtL])?[a-zA-Z%]/g;

/**
 * What QuickJS formats into memory; what it prints is for its own developers, and no code of the front.
 * @param source C, whose statements end with semicolons.
 */
function conversionsOf(source: string): readonly string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const formatting = code
    .split(/;\s*\n/)
    .filter((statement) => !/(?<!\w)(?:f?printf|bc_read_trace)\s*\(/.test(statement));
  const texts = formatting.flatMap((statement) => statement.match(/"(?:[^"\\\n]|\\.)*"/g) ?? []);
  return texts.flatMap((text) => text.match(conversion) ?? []);
}

test.serial("the front's printf writes what glibc's writes, for all that QuickJS formats", async (t) => {
  const sources = (await quickjsSourceFiles()).map((file) => readFileSync(file, 'utf8'));
  const used = [...new Set(sources.flatMap(conversionsOf))].sort();
  t.true(used.includes('%0*d') && used.includes('%.*s'), used.join(' '));
  const { stdout } = await execa(await testProgram('printf'), used);
  t.true(Number(stdout) > 100_000);
});
