import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { execa } from 'execa';
import { repository } from '../../scripts/paths.ts';
import { everyNth } from '../support/long-run.ts';
import { directoryOfThisProcess } from '../support/node/process-directory.ts';

/** What `npm run` has: how each script is called, and what it says when it cannot work. */

const { scripts } = JSON.parse(readFileSync(`${repository}/package.json`, 'utf8'));
const ours = Object.entries<string>(scripts).flatMap(([name, command]) => {
  const [, file] = /^sh scripts\/run node (scripts\/\S+\.ts)$/.exec(command) ?? [];
  return file === undefined ? [] : [{ name, file }];
});

const needRoot = ours.filter(({ name }) => !['build', 'image', 'clean', 'docs', 'schemas'].includes(name));

// The repository may lie where root alone goes.
const reading = ['--inh-caps', '+dac_read_search', '--ambient-caps', '+dac_read_search'];
const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', ...reading];

function run(argv: readonly string[], before: readonly string[] = []) {
  const [program = '', ...args] = [...before, process.execPath, ...argv];
  return execa(program, args, { cwd: repository, reject: false, stdin: 'ignore', timeout: 600_000 });
}

const callOf = (name: string) => (name === 'test' ? 'npm test' : `npm run ${name}`);

for (const { name, file } of ours) {
  const call = callOf(name);

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
}

// One way for all of them: scripts/command-line.ts.
for (const { name, file } of everyNth(3, ours)) {
  const call = callOf(name);
  test.serial(`${call} -- --nosuch is refused in one line`, async (t) => {
    const { stdout, stderr, exitCode } = await run([file, '--nosuch']);
    t.is(stdout, '');
    t.is(exitCode, 1);
    t.is(stderr, `${name}: --nosuch: unknown option\nhint: see ${call} -- --help`);
  });
}

for (const { name, file } of everyNth(3, needRoot, 1)) {
  test.serial(`npm run ${name} by another user than root says so at once`, async (t) => {
    const { stdout, stderr, exitCode } = await run([file], nobody);
    t.is(stdout, '');
    t.is(exitCode, 1);
    t.is(stderr, `${name}: must run as root\nhint: run it as root`);
  });
}

/** What `npm run NAME` has its shell do, and has on its path, in a copy of package.json and scripts/run alone. */
function runInClone(directory: string, name: string) {
  const env = { npm_lifecycle_event: name, PATH: `${directory}/node_modules/.bin:${process.env.PATH}` };
  return execa('sh', ['-c', scripts[name]], { cwd: directory, reject: false, stdin: 'ignore', env });
}

test.serial('before npm ci each script says in one line that it comes first', async (t) => {
  const clone = `${directoryOfThisProcess('scripts-')}/a clone`;
  mkdirSync(`${clone}/scripts`, { recursive: true });
  for (const name of ['scripts/run', 'package.json']) cpSync(`${repository}/${name}`, `${clone}/${name}`);
  const refusal = (name: string) => `${name}: node_modules is missing or unfinished: run npm ci first`;
  for (const name of Object.keys(scripts)) {
    const { stderr, stdout, exitCode } = await runInClone(clone, name);
    t.is(stderr, refusal(name));
    t.is(stdout, '');
    t.is(exitCode, 1);
  }
  const byNpm = await execa('npm', ['run', '--silent', 'lint'], { cwd: clone, reject: false });
  t.is(byNpm.stderr, refusal('lint'));
  t.is(byNpm.exitCode, 1);

  // As npm leaves it when it is ended at its work; when it was told to run no install scripts; when all is there.
  mkdirSync(`${clone}/node_modules/.bin`, { recursive: true });
  writeFileSync(`${clone}/node_modules/.bin/node`, '#!/bin/sh\necho "ran $*"\n');
  chmodSync(`${clone}/node_modules/.bin/node`, 0o755);
  t.is((await runInClone(clone, 'build')).stderr, refusal('build'));
  writeFileSync(`${clone}/node_modules/.package-lock.json`, '{}');
  t.is((await runInClone(clone, 'build')).stdout, 'ran scripts/build.ts');
  rmSync(`${clone}/node_modules/.bin/node`);
  t.regex((await runInClone(clone, 'build')).stderr, /^build: .*: run npm ci --ignore-scripts=false first$/);
});
