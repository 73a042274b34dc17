import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { repository } from '../../../scripts/paths.ts';
import { replaceDirectory } from '../../../scripts/scratch.ts';

const above = mkdtempSync(join(tmpdir(), 'replaced-'));
test.after.always(() => rmSync(above, { recursive: true }));

let number = 0;

/** @param text of what is there; undefined: nothing is. */
function place(text?: string) {
  number += 1;
  const within = join(above, `${number}`);
  const directory = join(within, 'release');
  mkdirSync(text === undefined ? within : directory, { recursive: true });
  if (text !== undefined) writeFileSync(join(directory, 'mark'), text);
  const replaced = { directory, mark: 'mark', what: 'a release' };
  return {
    ...replaced,
    names: () => readdirSync(within),
    text: () => readFileSync(`${directory}/mark`, 'utf8'),
  };
}

const fillWith = (text: string) => async (unfinished: string) =>
  writeFileSync(join(unfinished, 'mark'), text);

for (const before of [undefined, 'old'])
  test(`a directory that is whole is there, and nothing beside it, where ${before ?? 'none'} was before`, async (t) => {
    const one = place(before);
    await replaceDirectory(one, fillWith('new'));
    t.is(one.text(), 'new');
    t.deepEqual(one.names(), ['release']);
  });

test('what fails half way leaves what was there, and nothing of its own', async (t) => {
  const one = place('old');
  const fill = async (unfinished: string) => {
    await fillWith('half')(unfinished);
    throw new Error('no');
  };
  await t.throwsAsync(replaceDirectory(one, fill), { message: 'no' });
  t.is(one.text(), 'old');
  t.deepEqual(one.names(), ['release']);
});

/** Replaces it in another process, until that is ended. */
function replaceElsewhere(one: ReturnType<typeof place>) {
  const script = `import { replaceDirectory } from '${repository}/scripts/scratch.ts';
    process.once('SIGTERM', () => process.exit(1));
    await replaceDirectory(${JSON.stringify(one)}, () => new Promise((resolve) => {
      console.log('filling');
      setTimeout(resolve, 60_000);
    }));`;
  return execa(process.execPath, ['--input-type=module', '--eval', script], { reject: false });
}

test('what another process is about to replace is not filled beside it', async (t) => {
  const one = place('old');
  const child = replaceElsewhere(one);
  for await (const _line of child) {
    await t.throwsAsync(
      replaceDirectory(one, async () => t.fail()),
      { message: `process ${child.pid} is making a release there` },
    );
    t.deepEqual(one.names(), ['release', 'release.unfinished']);
    t.is(readdirSync(`${one.directory}.unfinished`).length, 1);
    child.kill('SIGTERM');
  }
  await child;
  t.is(one.text(), 'old');
});

for (const signal of ['SIGTERM', 'SIGKILL'] as const)
  test(`after ${signal} half way what was there is there, and the next run finishes`, async (t) => {
    const one = place('old');
    const child = replaceElsewhere(one);
    for await (const _line of child) child.kill(signal);
    await child;
    t.is(one.text(), 'old');
    await replaceDirectory(one, fillWith('new'));
    t.is(one.text(), 'new');
    t.deepEqual(one.names(), ['release']);
  });

test('killed between the two renames, the next run begins with what was there', async (t) => {
  const one = place();
  mkdirSync(`${one.directory}.previous`);
  writeFileSync(`${one.directory}.previous/mark`, 'old');
  const fill = async () => {
    t.is(one.text(), 'old');
    throw new Error('no');
  };
  await t.throwsAsync(replaceDirectory(one, fill), { message: 'no' });
  t.is(one.text(), 'old');
  t.deepEqual(one.names(), ['release']);
});

test('something else is left alone, and nothing is filled', async (t) => {
  const other = { ...place('old'), mark: 'another' };
  const file = { ...other, directory: join(other.directory, 'mark') };
  const refused = async (one: typeof other, message: string) => {
    await t.throwsAsync(
      replaceDirectory(one, async () => t.fail()),
      { message },
    );
    t.is(other.text(), 'old');
    t.false(existsSync(`${one.directory}.unfinished`));
  };
  await refused(other, 'holds something else than a release');
  await refused(file, 'is no directory');
});
