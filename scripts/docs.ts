import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { exitCode } from '../src/exit-codes.ts';
import { runMain } from './command-line.ts';
import { derivedFiles } from './docs/derived.ts';
import { repository } from './paths.ts';

/** `npm run docs`: what README and docs/ have of the code's facts, written anew: tables and pictures. */

async function main(check: boolean): Promise<number> {
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

await runMain({
  name: 'docs',
  flags: { '--check': 'write nothing, and exit with status 1 where one of them differs' },
  manual: ['Writes the tables and pictures of README.md and docs/ that are made from the code.'],
  run: (given) => main(given.has('check')),
});
