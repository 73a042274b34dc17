import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { run } from '../../../src/host/child.ts';
import type { Outcome } from '../../../src/host/host.ts';

const sh = (script: string, deadlineMs = 30_000, terminateMs = 200) =>
  run({ argv: ['/bin/sh', '-c', script], deadlineMs, terminateMs });

function isAlive(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test.serial('the status and both outputs, in the order they came', async (t) => {
  t.deepEqual(await sh('echo one; echo two >&2; echo three; exit 7'), {
    status: 7,
    endedBy: 'itself',
    output: 'one\ntwo\nthree\n',
  });
});

test.serial('a child that a signal ended has 128 + its number', async (t) => {
  for (const [signal, status] of [
    ['TERM', 143],
    ['KILL', 137],
    ['SEGV', 139],
    ['PIPE', 141],
  ] as const) {
    t.like(await sh(`kill -${signal} $$`), { status, endedBy: 'itself' });
  }
});

test.serial(
  'it leads a session and a process group of its own, at / and with nothing of our environment',
  async (t) => {
    const { output } = await sh(
      'ps -o pid=,pgid=,sid= -p $$; pwd; env | grep -v "^PWD=\\|^OLDPWD=\\|^_=\\|^SHLVL=" | sort',
    );
    const [ids = '', ...rest] = output.trim().split('\n');
    t.is(new Set(ids.trim().split(/\s+/)).size, 1);
    t.deepEqual(rest, ['/', 'LC_ALL=C', 'MOUNTER_CALLS=helper', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin']);
  },
);

test.serial('a daemon that keeps stdout open does not keep us', async (t) => {
  const { output, status } = await sh('setsid sleep 60 & echo $!');
  t.is(status, 0);
  const pid = output.trim();
  t.true(isAlive(pid));
  process.kill(Number(pid), 'SIGKILL');
});

test.serial('at the deadline the whole group ends, also who ignores SIGTERM', async (t) => {
  const outcome = await sh('trap "" TERM; sleep 60 & echo $!; wait; sleep 60', 300);
  t.like(outcome, { status: 137, endedBy: 'deadline' });
  t.true(await ends(outcome.output.trim()));
});

test.serial('of much output the last 64 KiB', async (t) => {
  const { output } = await sh('head -c 200000 /dev/zero | tr "\\0" x; echo end');
  t.is(output.length, 65536);
  t.true(output.endsWith('xend\n'));
});

test.serial('a program that is not there, or is none', async (t) => {
  for (const program of ['/bin/nosuch', '/bin']) {
    const error = await t.throwsAsync(run({ argv: [program], deadlineMs: 1000, terminateMs: 100 }), {
      instanceOf: MounterError,
      message: /could not be started/,
    });
    t.is(error.subject, program);
    t.is(error.status, 2);
  }
});

test.serial('no listener is left on our signals', async (t) => {
  const before = process.listenerCount('SIGTERM');
  await Promise.all([sh('true'), sh('exit 1'), sh('sleep 5', 50)]);
  t.is(process.listenerCount('SIGTERM'), before);
});

/** A process that was sent SIGKILL ends a moment later. */
async function ends(pid: string): Promise<boolean> {
  for (let look = 0; look < 100 && isAlive(pid); look += 1) await setTimeout(10);
  return !isAlive(pid);
}

const asked = (
  script: string,
  shouldAbort: (over: AbortSignal) => Promise<boolean>,
  { deadlineMs = 30_000, afterMs = 100 } = {},
) =>
  run({
    argv: ['/bin/sh', '-c', script],
    deadlineMs,
    terminateMs: 200,
    watchdog: { afterMs, shouldAbort },
  });

test.serial('who ends in time is not asked after', async (t) => {
  let questions = 0;
  const shouldAbort = async () => {
    questions += 1;
    return true;
  };
  t.like(await asked('exit 3', shouldAbort, { afterMs: 2000 }), { status: 3, endedBy: 'itself' });
  await setTimeout(2200);
  t.is(questions, 0);
});

test.serial('a watchdog that is confirmed ends the whole group', async (t) => {
  const outcome = await asked('sleep 60 & echo $!; wait', async () => true);
  t.is(outcome.endedBy, 'watchdog');
  t.true(await ends(outcome.output.trim()));
});

test.serial('one that is not, or that fails, leaves it alone', async (t) => {
  for (const shouldAbort of [async () => false, () => Promise.reject(new Error('no answer'))])
    t.like(await asked('sleep 0.4; exit 5', shouldAbort), { status: 5, endedBy: 'itself' });
});

test.serial('who fails meanwhile ends by itself; an answer that is about to come is heard', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'child-'));
  const end = join(directory, 'end');
  let heard = false;
  const shouldAbort = async (over: AbortSignal) => {
    while (!existsSync(end)) await setTimeout(5);
    await setTimeout(100);
    heard = !over.aborted;
    return true;
  };
  t.like(await asked(`sleep 0.3; : >${end}; exit 5`, shouldAbort), { status: 5, endedBy: 'itself' });
  await rm(directory, { recursive: true });
  t.true(heard);
});

test.serial('whoever ends first, the questions end with it, children and all', async (t) => {
  for (const [script, deadlineMs, endedBy] of [
    ['sleep 0.4', 30_000, 'itself'],
    ['sleep 60', 400, 'deadline'],
  ] as const) {
    let question: Promise<Outcome> | undefined;
    const shouldAbort = async (signal: AbortSignal) => {
      const argv = ['/bin/sh', '-c', 'sleep 60 & echo $!; wait'];
      question = run({ argv, deadlineMs: 30_000, terminateMs: 200, signal });
      return (await question).status !== 0;
    };
    t.is((await asked(script, shouldAbort, { deadlineMs })).endedBy, endedBy);
    const outcome = await question;
    t.is(outcome?.endedBy, 'interrupt');
    t.true(await ends(outcome?.output.trim() ?? ''));
  }
});
