import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import minimist from 'minimist';
import { exitCode } from '../src/exit-codes.ts';
import { runMain, usageError } from './command-line.ts';
import { derivedFiles } from './docs/derived.ts';
import { repository } from './paths.ts';

/** `npm run docs`: what README and docs/ have of the code's facts, written anew: tables and pictures. */

const usage = `usage: npm run docs -- [--check]

Writes the tables and pictures of README.md and docs/ that are made from the code.

  --check  write nothing, and exit with 1 where one of them differs
`;

async function main(argv: readonly string[]): Promise<number> {
  const { check, help, _: operands, ...others } = minimist([...argv], { boolean: ['check', 'help'] });
  if (help) {
    process.stdout.write(usage);
    return exitCode.success;
  }
  const [unknown] = [...operands, ...Object.keys(others).map((name) => `--${name}`)];
  if (unknown !== undefined) throw usageError(unknown, 'unknown argument');
  const stale = [...(await derivedFiles())].filter(([file, text]) => textOf(file) !== text);
  for (const [file, text] of stale) {
    console.log(`${check ? 'differs' : 'written'}: ${file}`);
    if (!check) writeFileSync(`${repository}/${file}`, text);
  }
  return check && stale.length > 0 ? exitCode.usage : exitCode.success;
}

function textOf(file: string): string {
  const path = `${repository}/${file}`;
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

await runMain('docs', main);
