import { closeSync, constants, openSync, writeSync } from 'node:fs';
import type { Command, Outcome, Watchdog } from './host.ts';
import { withTimeout } from './with-timeout.ts';

/** `Host.run` of every engine: node:child_process, bun's own spawn, and the front's. */

type Limits = Omit<Command, 'argv' | 'inside'>;

/** What the engine has to do for it. */
export interface ChildEngine<C extends Limits = Command> {
  /**
   * Starts the program in a session and process group of its own, stdin empty.
   * @param output for its stdout and stderr; ours when undefined.
   * @throws MounterError (system) when it can't be started.
   */
  start(command: C, output: number | undefined): Promise<StartedChild>;
  /** From now on a signal to end us is no end of ours. */
  listenForInterruption(): Interruption;
  /** The last bytes of the file as text. */
  readEnd(fd: number, maximumBytes: number): string;
}

export interface StartedChild {
  /** Its exit status; 128 + N when signal N ended it. */
  readonly ended: Promise<number>;
  /** To its whole group. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

export interface Interruption {
  readonly received: Promise<void>;
  ignore(): void;
}

/** open(2)'s O_TMPFILE, which node:fs does not name; the same on every Linux architecture we build for. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

const maximumOutputBytes = 64 * 1024;

/** What a command has failed of, the network tells others of at the same moment: the answer is on its way. */
const hearMs = 300;

/** A process that SIGKILL does not end within this waits in the kernel: nobody can end it, we need not wait too. */
const unkillableMs = 5000;

/**
 * The child leads a session and process group of its own, so that all of it can be ended, and its output
 * goes to a file without a name: a daemon that it leaves behind would keep a pipe open for ever.
 */
export async function runCommand<C extends Limits>(command: C, engine: ChildEngine<C>): Promise<Outcome> {
  const capture = openCapture();
  const readCapture = () =>
    capture === undefined ? '' : withoutReserve(engine.readEnd(capture, maximumOutputBytes));
  // Before the child starts: a signal that came in between would end us and leave the child.
  const interruption = engine.listenForInterruption();
  const deadline = timer(command.deadlineMs);
  const watchdog = command.watchdog === undefined ? undefined : raise(command.watchdog);
  try {
    const child = await engine.start(command, capture);
    const first = await Promise.race([
      child.ended,
      interruption.received.then(() => 'interrupt' as const),
      deadline.passed.then(() => 'deadline' as const),
      ...(command.signal === undefined ? [] : [aborted(command.signal)]),
      ...(watchdog === undefined ? [] : [watchdog.confirmed]),
    ]);
    if (typeof first === 'number' && first !== 0) await watchdog?.hear();
    const settled = watchdog?.settle();
    if (typeof first === 'number') {
      if (settled !== undefined) await settled;
      return { status: first, endedBy: 'itself', output: readCapture() };
    }
    const [status] = await Promise.all([endGroup(child, command.terminateMs), settled]);
    return { status, endedBy: first, output: readCapture() };
  } finally {
    deadline.clear();
    interruption.ignore();
    void watchdog?.settle();
    if (capture !== undefined) closeSync(capture);
  }
}

/** SIGTERM, then SIGKILL to all of the group: whoever ignored SIGTERM must not live on to mount something later. */
async function endGroup(child: StartedChild, terminateMs: number): Promise<number> {
  child.kill('SIGTERM');
  await withTimeout(child.ended, terminateMs);
  child.kill('SIGKILL');
  return (await withTimeout(child.ended, unkillableMs)) ?? 128 + 9;
}

function timer(milliseconds: number): { readonly passed: Promise<void>; clear(): void } {
  let timeout: NodeJS.Timeout | undefined;
  const passed = new Promise<void>((resolve) => {
    timeout = setTimeout(resolve, milliseconds);
  });
  return { passed, clear: () => clearTimeout(timeout) };
}

/** The watchdog's one question: asked when its time has come, and taken back by `settle`. */
function raise({ afterMs, shouldAbort }: Watchdog): {
  readonly confirmed: Promise<'watchdog'>;
  /** Waits for a moment for an answer that may be about to come. */
  hear(): Promise<void>;
  /** What is still being asked would outlive us: main.ts ends the process at once. */
  settle(): Promise<void> | undefined;
} {
  const patience = timer(afterMs);
  let over: AbortController | undefined;
  let answer: Promise<boolean> | undefined;
  const confirmed = new Promise<'watchdog'>((resolve) => {
    void patience.passed.then(async () => {
      over = new AbortController();
      answer = shouldAbort(over.signal).catch(() => false);
      if (await answer) resolve('watchdog');
    });
  });
  const settle = () => {
    patience.clear();
    over?.abort();
    return answer === undefined ? undefined : withTimeout(answer, unkillableMs).then(() => {});
  };
  const hear = async () => {
    if (answer !== undefined) await withTimeout(answer, hearMs);
  };
  return { confirmed, hear, settle };
}

function aborted(signal: AbortSignal): Promise<'interrupt'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('interrupt');
    else signal.addEventListener('abort', () => resolve('interrupt'), { once: true });
  });
}

/**
 * What a new file for output starts with. Writing it takes a block of the file system, which is then the
 * output's: in a full one an empty file can still be made, and everything written to it is lost.
 */
const reserve = '\n';

function withoutReserve(output: string): string {
  return output.startsWith(reserve) ? output.slice(reserve.length) : output;
}

/** @returns undefined where no such file can be made (full or missing directories): the child then writes to our own stderr. */
function openCapture(): number | undefined {
  for (const directory of ['/run', '/tmp']) {
    const fd = tryOpenCapture(directory);
    if (fd !== undefined) return fd;
  }
  return undefined;
}

function tryOpenCapture(directory: string): number | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(directory, O_TMPFILE | constants.O_RDWR, 0o600);
    writeSync(fd, reserve);
    return fd;
  } catch {
    if (fd !== undefined) closeSync(fd);
    return undefined; // The next directory, then.
  }
}
