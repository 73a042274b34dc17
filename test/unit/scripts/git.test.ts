import { mkdirSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { execa } from 'execa';
import { sourcesOf, trackedFiles } from '../../../scripts/git.ts';
import { directoryOfThisProcess } from '../../support/node/process-directory.ts';

test("the commit is named by whoever builds, also in another user's checkout, and not where something differs", async (t) => {
  const checkout = directoryOfThisProcess('git-');
  const git = (...argv: readonly string[]) =>
    execa('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.example', ...argv], { cwd: checkout });
  writeFileSync(`${checkout}/package.json`, 'one');
  writeFileSync(`${checkout}/.gitignore`, '/below');
  await git('init', '--quiet');
  await git('add', '.');
  await git('commit', '--quiet', '--message', 'one');
  const { stdout: commit } = await git('rev-parse', 'HEAD');
  await execa('chown', ['-R', '65534', checkout]);
  await t.throwsAsync(git('status'), { message: /dubious ownership/ });

  t.deepEqual(await sourcesOf(checkout), { commit });
  t.deepEqual([...((await trackedFiles(checkout)) ?? [])].sort(), ['', '.gitignore', 'package.json']);

  // An unpacked archive of the sources, in a checkout of something else that does not see it.
  mkdirSync(`${checkout}/below`);
  writeFileSync(`${checkout}/below/package.json`, 'another');
  t.deepEqual(await sourcesOf(`${checkout}/below`), { lacking: 'git knows no commit here' });
  t.is(await trackedFiles(`${checkout}/below`), undefined);

  writeFileSync(`${checkout}/package.json`, 'two');
  t.deepEqual(await sourcesOf(checkout), { lacking: 'package.json differs from the last commit' });
  writeFileSync(`${checkout}/new`, '');
  t.deepEqual(await sourcesOf(checkout), { lacking: 'package.json and 1 more differ from the last commit' });
});
