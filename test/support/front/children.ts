import '../../../src/front/globals.ts';
import * as system from 'system-calls';
import { ownArguments } from '../../../src/front/globals.ts';
import { frontHost as host } from '../../../src/front/host.ts';
import type { Command, Outcome } from '../../../src/host/host.ts';

/** `children STEP...`: runs programs as `Host.run` of the front does, and prints what comes of it: a line of JSON. */
const [, ...words] = ownArguments();

const sh = (script: string, more: Partial<Command> = {}) =>
  host.run({ argv: ['/bin/sh', '-c', script], deadlineMs: 30_000, terminateMs: 200, ...more });

const asked = (script: string, shouldAbort: (over: AbortSignal) => Promise<boolean>, afterMs = 100) =>
  sh(script, { watchdog: { afterMs, shouldAbort } });

function isAlive(pid: string): boolean {
  const status = host.readText(`/proc/${pid}/status`);
  return status !== undefined && !/^State:\s+Z/m.test(status);
}

/** A process that was sent SIGKILL ends a moment later. */
async function ends(output: string): Promise<boolean> {
  const pid = output.trim();
  for (let look = 0; look < 100 && isAlive(pid); look += 1) await host.sleep(10);
  return !isAlive(pid);
}

async function missing(program: string): Promise<unknown> {
  try {
    return await host.run({ argv: [program], deadlineMs: 1000, terminateMs: 100 });
  } catch (error) {
    const { subject, status, message } = error as Error & {
      readonly subject: string;
      readonly status: number;
    };
    return [subject, status, message];
  }
}

async function questionEnds(script: string, deadlineMs: number): Promise<unknown> {
  let question: Promise<Outcome> | undefined;
  const shouldAbort = async (signal: AbortSignal) => {
    question = sh('sleep 60 & echo $!; wait', { signal });
    return (await question).status !== 0;
  };
  const { endedBy } = await sh(script, { deadlineMs, watchdog: { afterMs: 100, shouldAbort } });
  const answer = await question;
  return [endedBy, answer?.endedBy, await ends(answer?.output ?? '')];
}

const steps: Readonly<Record<string, () => Promise<unknown>>> = {
  outputs: () => sh('echo one; echo two >&2; echo three; exit 7'),
  signals: async () => {
    const statuses: number[] = [];
    for (const name of ['TERM', 'KILL', 'SEGV', 'PIPE']) statuses.push((await sh(`kill -${name} $$`)).status);
    return statuses;
  },
  surroundings: () =>
    sh('ps -o pid=,pgid=,sid= -p $$; pwd; env | grep -v "^PWD=\\|^OLDPWD=\\|^_=\\|^SHLVL=" | sort'),
  daemon: async () => {
    const { output, status } = await sh('setsid sleep 60 & echo $!');
    const isLeft = isAlive(output.trim());
    host.kill(Number(output), 'SIGKILL');
    return [status, isLeft];
  },
  deadline: async () => {
    const script = 'trap "" TERM; sleep 60 & echo $!; wait; sleep 60';
    const { status, endedBy, output } = await sh(script, { deadlineMs: 3000 });
    return [status, endedBy, await ends(output)];
  },
  much: async () => {
    const { output } = await sh('head -c 200000 /dev/zero | tr "\\0" x; echo end');
    return [output.length, output.endsWith('xend\n')];
  },
  missing: async () => [await missing('/bin/nosuch'), await missing('/bin')],
  inTime: async () => {
    let questions = 0;
    const shouldAbort = async () => {
      questions += 1;
      return true;
    };
    const { status, endedBy } = await asked('exit 3', shouldAbort, 2000);
    await host.sleep(2200);
    return [status, endedBy, questions];
  },
  confirmed: async () => {
    const { endedBy, output } = await asked('sleep 60 & echo $!; wait', async () => true);
    return [endedBy, await ends(output)];
  },
  denied: async () => {
    const outcomes: unknown[] = [];
    for (const shouldAbort of [async () => false, () => Promise.reject(new Error('no answer'))]) {
      const { status, endedBy } = await asked('sleep 4; exit 5', shouldAbort);
      outcomes.push([status, endedBy]);
    }
    return outcomes;
  },
  heard: async () => {
    let heard = false;
    const shouldAbort = async (over: AbortSignal) => {
      while (host.stat('/run/end') === undefined) await host.sleep(5);
      await host.sleep(100);
      heard = !over.aborted;
      return true;
    };
    const { status, endedBy } = await asked('sleep 3; : >/run/end; exit 5', shouldAbort);
    return [status, endedBy, heard];
  },
  questions: async () => [await questionEnds('sleep 4', 30_000), await questionEnds('sleep 60', 4000)],
};

async function main(): Promise<void> {
  for (const word of words) system.write(1, `${JSON.stringify(await steps[word]?.())}\n`);
}

main().then(
  () => system.exit(0),
  (error: Error) => {
    system.write(2, `${error.message}\n`);
    system.exit(1);
  },
);
