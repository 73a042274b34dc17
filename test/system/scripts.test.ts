import { readFileSync } from 'node:fs';
import test from 'ava';
import { execa } from 'execa';
import { repository } from '../../scripts/paths.ts';

/** What `npm run` has: how each script is called, and what it says when it cannot work. */

const { scripts } = JSON.parse(readFileSync(`${repository}/package.json`, 'utf8'));
const ours = Object.entries<string>(scripts).flatMap(([name, command]) => {
  const [, file] = /^node (scripts\/\S+\.ts)$/.exec(command) ?? [];
  return file === undefined ? [] : [{ name, file }];
});

const needRoot = ours.filter(({ name }) => !['build', 'image', 'clean', 'docs', 'schemas'].includes(name));

// The repository may lie where root alone goes.
const reading = ['--inh-caps', '+dac_read_search', '--ambient-caps', '+dac_read_search'];
const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', ...reading];

function run(argv: readonly string[], before: readonly string[] = []) {
  const [program = '', ...args] = [...before, process.execPath, ...argv];
  return execa(program, args, { cwd: repository, reject: false, stdin: 'ignore', timeout: 120_000 });
}

for (const { name, file } of ours) {
  const call = name === 'test' ? 'npm test' : `npm run ${name}`;

  test.serial(`${call} -- --help says how it is called, and does nothing`, async (t) => {
    const { stdout, stderr, exitCode } = await run([file, '--help']);
    t.is(stderr, '');
    t.is(exitCode, 0);
    t.true(stdout.startsWith(call), stdout);
    t.deepEqual(
      stdout.split('\n').filter((line) => line.length > 80),
      [],
    );
  });

  test.serial(`${call} -- --nosuch is refused in one line`, async (t) => {
    const { stdout, stderr, exitCode } = await run([file, '--nosuch']);
    t.is(stdout, '');
    t.is(exitCode, 1);
    t.is(stderr, `${name}: --nosuch: unknown option\nhint: see ${call} -- --help`);
  });
}

for (const { name, file } of needRoot) {
  test.serial(`npm run ${name} by another user than root says so at once`, async (t) => {
    const { stdout, stderr, exitCode } = await run([file], nobody);
    t.is(stdout, '');
    t.is(exitCode, 1);
    t.is(stderr, `${name}: must run as root\nhint: run it as root`);
  });
}
