import { writeFileSync } from 'node:fs';
import test from 'ava';
import { execa } from 'execa';
import { sources } from '../../../../scripts/image/provenance.ts';
import { directoryOfThisProcess } from '../../../support/node/process-directory.ts';

test("the commit is named by whoever builds, also in another user's checkout, and not where something differs", async (t) => {
  const checkout = directoryOfThisProcess('provenance-');
  const git = (...argv: readonly string[]) =>
    execa('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.example', ...argv], { cwd: checkout });
  writeFileSync(`${checkout}/file`, 'one');
  await git('init', '--quiet');
  await git('add', 'file');
  await git('commit', '--quiet', '--message', 'one');
  const { stdout: gitCommit } = await git('rev-parse', 'HEAD');
  await execa('chown', ['-R', '65534', checkout]);
  await t.throwsAsync(git('status'), { message: /dubious ownership/ });

  t.deepEqual(await sources(checkout), [{ name: 'sources', digest: { gitCommit } }]);
  writeFileSync(`${checkout}/file`, 'two');
  t.deepEqual(await sources(checkout), []);
});
