import { spawn } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { runDirectory } from '../rootfs/layout.ts';
import type { Command, FileStatus, Host, Outcome, ProcessInformation } from './host.ts';

/** open(2) flags that node:fs does not name; the same on every Linux architecture we build for. */
const O_PATH = 0o10000000;
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/** Where programs are on the host and in the rootfs; what kubelet's environment says has no say in it. */
const programDirectories = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const environment = { PATH: programDirectories.join(':'), LC_ALL: 'C' };

const maximumOutputBytes = 64 * 1024;

/** The Host of a real node, on `node:` APIs. */
export const nodeHost: Host = {
  effectiveUserId: () => process.geteuid?.() ?? -1,
  readText: (path) => orUndefined(() => readFileSync(path, 'utf8')),
  lstat: (path) => statusOf(orUndefined(() => lstatSync(path))),
  stat: (path) => statusOf(orUndefined(() => statSync(path))),
  mountId,
  processes,
  kill,
  findProgram,
  run,
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  now: () => performance.now(),
};

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function statusOf(stats: Stats | undefined): FileStatus | undefined {
  if (stats === undefined) return undefined;
  return {
    kind: kindOf(stats),
    device: stats.dev,
    inode: stats.ino,
    isExecutable: (stats.mode & 0o111) !== 0,
    size: stats.size,
    changedMs: stats.ctimeMs,
  };
}

function kindOf(stats: Stats): FileStatus['kind'] {
  if (stats.isDirectory()) return 'directory';
  if (stats.isFile()) return 'file';
  if (stats.isSymbolicLink()) return 'symlink';
  return stats.isCharacterDevice() || stats.isBlockDevice() ? 'device' : 'other';
}

function mountId(path: string): number | undefined {
  const fd = orUndefined(() => openSync(path, O_PATH | constants.O_NOFOLLOW));
  if (fd === undefined) return undefined;
  try {
    const match = /^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'));
    return match === null ? undefined : Number(match[1]);
  } finally {
    closeSync(fd);
  }
}

function processes(): readonly ProcessInformation[] {
  const found: ProcessInformation[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      found.push(processInformation(Number(name)));
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

function processInformation(pid: number): ProcessInformation {
  const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  return {
    pid,
    commandLine,
    root: linkOf(`/proc/${pid}/root`),
    isInOurNetwork: linkOf(`/proc/${pid}/ns/net`) === linkOf('/proc/self/ns/net'),
  };
}

/** @returns undefined for what a kernel thread, a zombie or another user's process does not show. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function kill(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function findProgram(name: string): string {
  for (const directory of programDirectories) {
    const path = `${directory}/${name}`;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next directory, then.
    }
  }
  throw new MounterError(`the host has no ${name}`, {
    subject: name,
    status: exitCode.system,
    hint: `mounter needs ${name} in one of ${programDirectories.join(', ')}`,
  });
}

/**
 * The child leads a session and process group of its own, so that all of it can be ended, and its output
 * goes to a file without a name: a daemon that it leaves behind would keep a pipe open for ever.
 */
function run(command: Command): Promise<Outcome> {
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
