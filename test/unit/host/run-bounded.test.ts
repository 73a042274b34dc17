import { existsSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { runBounded } from '../../../src/host/run-bounded.ts';

test('the answer of a program: its status and all that it said', async (t) => {
  t.deepEqual(await runBounded(['/bin/sh', '-c', 'echo out; echo err >&2; exit 3'], 5000), {
    status: 3,
    output: 'out\nerr\n',
  });
});

test('letters that come in two parts', async (t) => {
  const script = "printf '\\303'; sleep 0.2; printf '\\244'";
  t.is((await runBounded(['/bin/sh', '-c', script], 5000))?.output, 'ä');
});

test('an answer without an end is none, and nobody waits for it', async (t) => {
  const began = performance.now();
  t.is(await runBounded(['/bin/sh', '-c', 'yes & wait'], 60_000), undefined);
  t.true(performance.now() - began < 20_000);
});

test('a program that is not there answers as a shell would', async (t) => {
  t.is((await runBounded(['/no/such/program'], 5000))?.status, 127);
});

test('a program that a signal ends', async (t) => {
  t.is((await runBounded(['/bin/sh', '-c', 'kill -9 $$'], 5000))?.status, 137);
});

test('at the limit there is no answer, and nothing of it is left', async (t) => {
  const began = performance.now();
  const script = 'trap "" TERM INT HUP; (trap "" TERM; sleep 1000) & echo $!; wait';
  t.is(await runBounded(['/bin/sh', '-c', `${script} # limit-of-${process.pid}`], 200), undefined);
  t.true(performance.now() - began < 20_000);
});

test('what it started is ended with it', async (t) => {
  const pidFile = `/tmp/question-test-${process.pid}`;
  const script = `sleep 1000 & echo $! >${pidFile}; wait`;
  t.is(await runBounded(['/bin/sh', '-c', script], 5000), undefined);
  const pid = readFileSync(pidFile, 'utf8').trim();
  rmSync(pidFile);
  const isRunning = () =>
    existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  for (let tries = 0; tries < 1000 && isRunning(); tries += 1) await setTimeout(20);
  t.false(isRunning());
});

test('stdin is empty, the environment is ours', async (t) => {
  const answer = await runBounded(['/bin/sh', '-c', 'cat; echo "$LC_ALL <$HOME>"'], 5000);
  t.is(answer?.output, 'C <>\n');
});

test('it ends with the process that asks, when that ends by itself', async (t) => {
  const program = `import { runBounded } from '${import.meta.dirname}/../../../src/host/run-bounded.ts';
    const asked = runBounded(['/bin/sh', '-c', 'sleep 1000 & echo $!; wait; exit 1'], 60_000);
    setTimeout(() => process.exit(3), 500);
    await asked;`;
  const mark = `ends-with-${process.pid}`;
  const words = ['--input-type=module', '-e', program.replace('wait;', `wait; : ${mark};`)];
  t.is((await execa(process.execPath, words, { reject: false })).exitCode, 3);
  const running = async () =>
    (await execa('pgrep', ['-f', `sleep 1000 .*${mark}`], { reject: false })).stdout;
  for (let tries = 0; tries < 100 && (await running()) !== ''; tries += 1) await setTimeout(20);
  t.is(await running(), '');
});
