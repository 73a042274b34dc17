import { spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { runDirectory } from '../rootfs/layout.ts';
import type { Command, Outcome } from './host.ts';
import { kill } from './kill.ts';
import { programDirectories } from './programs.ts';

/** open(2)'s O_TMPFILE, which node:fs does not name; the same on every Linux architecture we build for. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/** Nothing of kubelet's environment: mount.glusterfs takes its own variables from it. */
const environment = { PATH: programDirectories.join(':'), LC_ALL: 'C' };

const maximumOutputBytes = 64 * 1024;

/**
 * The child leads a session and process group of its own, so that all of it can be ended, and its output
 * goes to a file without a name: a daemon that it leaves behind would keep a pipe open for ever.
 */
export function run(command: Command): Promise<Outcome> {
  const [program, ...args] = command.argv;
  if (program === undefined) throw new MounterError('no program to run', { status: exitCode.internal });
  const capture = openCapture();
  const child = spawn(program, args, {
    cwd: '/',
    env: environment,
    detached: true,
    stdio: ['ignore', capture ?? 'inherit', capture ?? 'inherit'],
  });
  return new Promise((resolve, reject) => {
    let endedBy: Outcome['endedBy'] = 'itself';
    let killTimer: NodeJS.Timeout | undefined;
    const end = (reason: Outcome['endedBy']) => {
      if (endedBy !== 'itself' || child.pid === undefined) return;
      endedBy = reason;
      const group = -child.pid;
      kill(group, 'SIGTERM');
      killTimer = setTimeout(() => kill(group, 'SIGKILL'), command.terminateMs);
    };
    const interrupt = () => end('interrupt');
    const deadlineTimer = setTimeout(() => end('deadline'), command.deadlineMs);
    for (const signal of interruptSignals) process.on(signal, interrupt);
    const release = () => {
      clearTimeout(deadlineTimer);
      clearTimeout(killTimer);
      for (const signal of interruptSignals) process.off(signal, interrupt);
    };
    child.on('error', (error) => {
      release();
      closeCapture(capture);
      reject(spawnFailure(program, error));
    });
    child.on('exit', (code, signal) => {
      // Whoever of the group ignored SIGTERM must not live on to mount something later.
      if (endedBy !== 'itself' && child.pid !== undefined) kill(-child.pid, 'SIGKILL');
      release();
      resolve({ status: code ?? 128 + signalNumber(signal), endedBy, output: closeCapture(capture) });
    });
  });
}

const interruptSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function signalNumber(signal: NodeJS.Signals | null): number {
  const numbers: Partial<Record<NodeJS.Signals, number>> = {
    SIGHUP: 1,
    SIGINT: 2,
    SIGABRT: 6,
    SIGKILL: 9,
    SIGSEGV: 11,
    SIGTERM: 15,
  };
  return signal === null ? 0 : (numbers[signal] ?? 0);
}

function spawnFailure(program: string, error: Error): MounterError {
  return new MounterError(`could not be started: ${error.message}`, {
    subject: program,
    status: exitCode.system,
    hint: 'see whether the node is out of memory or processes',
    cause: error,
  });
}

/** @returns undefined where no such file can be made (a full or missing /run): the child then writes to our own stderr. */
function openCapture(): number | undefined {
  for (const directory of [runDirectory, '/run', '/tmp']) {
    try {
      return openSync(directory, O_TMPFILE | constants.O_RDWR, 0o600);
    } catch {
      // The next directory, then.
    }
  }
  return undefined;
}

/** @returns the last of what was written. */
function closeCapture(fd: number | undefined): string {
  if (fd === undefined) return '';
  try {
    const { size } = fstatSync(fd);
    if (size === 0) return '';
    const length = Math.min(size, maximumOutputBytes);
    const bytes = Buffer.alloc(length);
    readSync(fd, bytes, 0, length, size - length);
    return bytes.toString('utf8');
  } finally {
    closeSync(fd);
  }
}
