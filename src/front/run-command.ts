import * as system from 'system-calls';
import type { Command, Outcome, Watchdog } from '../host/host.ts';
import { withTimeout } from '../host/with-timeout.ts';
import { runDirectory } from '../node/layout.ts';
import { listenForInterruption } from './signals.ts';

/** How every program that the front runs comes to its end: within its limit, all of it, whoever asks for it. */

type Limits = Omit<Command, 'argv' | 'inside'>;

export interface StartedChild {
  /** Its exit status; 128 + N when signal N ended it. */
  readonly ended: Promise<number>;
  /** To its whole group. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

/** open(2)'s O_TMPFILE; the same on every architecture that we build for. */
const O_TMPFILE = 0o20000000 | system.O_DIRECTORY;

const maximumOutputBytes = 64 * 1024;

/** What a command has failed of, the network tells others of at the same moment: the answer is on its way. */
const hearMs = 300;

/** A process that SIGKILL does not end within this waits in the kernel: nobody can end it, we need not wait too. */
const unkillableMs = 5000;

/**
 * The child leads a session of its own, so that all of it can be ended, and its output goes to a file without a name: a
 * daemon that it leaves behind would keep a pipe open for ever.
 * @param start starts the program, its stdin empty, its stdout and stderr in the file `output`, or ours where that is
 *   -1; throws MounterError (system) when it cannot be started.
 * @param maximumBytes of its output; the last ones are kept.
 */
export async function runCommand<C extends Limits>(
  command: C,
  start: (command: C, output: number) => StartedChild | Promise<StartedChild>,
  maximumBytes = maximumOutputBytes,
): Promise<Outcome> {
  const capture = openCapture();
  const readCapture = () => withoutReserve(readEnd(capture, maximumBytes));
  // Before the child starts: a signal that came in between would end us and leave the child.
  const interruption = listenForInterruption();
  const deadline = timer(command.deadlineMs);
  const watchdog = command.watchdog === undefined ? undefined : raise(command.watchdog);
  try {
    const child = await start(command, capture.output);
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
    for (const fd of new Set(Object.values(capture))) if (fd >= 0) system.close(fd);
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

/** What a file for output starts with: it takes a block, for in a full file system an empty file can still be made. */
const reserve = '\n';

function withoutReserve(output: string): string {
  return output.startsWith(reserve) ? output.slice(reserve.length) : output;
}

/** What a child writes to, and where we read it: one file, or the ends of a pipe. */
interface Capture {
  /** -1 where there is none: the child then writes to our own stdout and stderr. */
  readonly output: number;
  readonly input: number;
}

function openCapture(): Capture {
  const inDirectory = (directory: string) => () => system.open(directory, O_TMPFILE | system.O_RDWR, 0o600);
  // In memory where disks are full, or gone.
  for (const open of [...[runDirectory, '/run', '/tmp'].map(inDirectory), system.openMemory]) {
    const fd = open();
    if (fd >= 0 && system.write(fd, reserve) > 0) return { output: fd, input: fd };
    if (fd >= 0) system.close(fd);
  }
  // No file may have a byte (RLIMIT_FSIZE). What does not fit into a pipe is lost, and nobody waits for room.
  const ends = system.pipe();
  const [input = -1, output = -1] = typeof ends === 'number' ? [] : ends;
  return { output, input };
}

/** What a helper said is worth having, and no reason to fail. */
function readEnd({ input, output }: Capture, maximumBytes: number): string {
  const status = system.fstat(input);
  const size = typeof status === 'number' ? 0 : status.size;
  const isPipe = input !== output;
  if (!isPipe && size <= reserve.length) return '';
  const text = system.read(input, Math.max(0, size - maximumBytes), maximumBytes);
  return typeof text === 'number' ? '' : text;
}
