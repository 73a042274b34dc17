import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import test from 'ava';
import { execa } from 'execa';
import { repository } from '../../scripts/paths.ts';
import { directoryOfThisProcess } from '../support/node/process-directory.ts';

/** `npm run clean`, in copies of the repository. */

const scratch = directoryOfThisProcess('clean-');
let copies = 0;

/** Its sources, and something of all that is made in one. */
function copyOfRepository(): string {
  copies += 1;
  const copy = `${scratch}/${copies}`;
  for (const name of ['scripts', 'src', 'package.json'])
    cpSync(`${repository}/${name}`, `${copy}/${name}`, { recursive: true });
  mkdirSync(`${copy}/dist/arm64`, { recursive: true });
  mkdirSync(`${copy}/.cache/vm`, { recursive: true });
  writeFileSync(`${copy}/dist/arm64/mounter`, '');
  writeFileSync(`${copy}/.0123456789abcdef.bun-build`, '');
  symlinkSync(`${repository}/node_modules`, `${copy}/node_modules`);
  return copy;
}

function clean(copy: string, setUp = ':') {
  const inside = `cd "$1" && ${setUp} && exec "$2" scripts/clean.ts`;
  const argv = ['--mount', 'sh', '-c', inside, 'sh', copy, process.execPath];
  return execa('unshare', argv, { reject: false, timeout: 300_000 });
}

test.serial('all that was made goes, and nothing else', async (t) => {
  const copy = copyOfRepository();
  const { stdout, stderr, exitCode } = await clean(copy);
  t.is(stderr, '');
  t.is(exitCode, 0);
  t.is(stdout.split('\n')[0], 'removed dist, .cache, node_modules, .0123456789abcdef.bun-build');
  t.deepEqual(readdirSync(copy).sort(), ['package.json', 'scripts', 'src']);
  t.true(existsSync(`${repository}/node_modules/execa`), 'what a link leads to stays');
});

test.serial('packages that it has installed are named with the command, and kept in mind', async (t) => {
  const copy = copyOfRepository();
  writeFileSync(`${copy}/.cache/installed-packages`, 'tar\nno-such-package\nbash\ntar\n');
  const { stdout, exitCode } = await clean(copy);
  t.is(exitCode, 0);
  t.regex(stdout, /^Debian packages that .* stay, .*\n {2}apt-get purge --auto-remove bash tar$/m);
  t.deepEqual(readdirSync(`${copy}/.cache`), ['installed-packages']);
});

test.serial('what is mounted is not gone into', async (t) => {
  const copy = copyOfRepository();
  const { stdout, stderr, exitCode } = await clean(copy, 'mount --bind src .cache/vm');
  t.is(stdout, '');
  t.is(exitCode, 2);
  const place = `${copy}/.cache/vm`;
  t.is(stderr, `clean: ${place}: something is mounted there\nhint: umount ${place}; then again`);
  t.true(existsSync(`${copy}/dist/arm64/mounter`));
  t.true(readFileSync(`${copy}/src/main.ts`).length > 0);
});

test.serial('what a process uses stays', async (t) => {
  const copy = copyOfRepository();
  const user = spawn('sleep', ['600'], { cwd: `${copy}/dist/arm64`, stdio: 'ignore' });
  try {
    const { stderr, exitCode } = await clean(copy);
    t.is(exitCode, 2);
    t.is(
      stderr,
      `clean: ${copy}/dist/arm64: process ${user.pid} uses it\nhint: end it: kill ${user.pid}; then again`,
    );
    t.true(existsSync(`${copy}/dist/arm64/mounter`));
  } finally {
    user.kill('SIGKILL');
  }
});
