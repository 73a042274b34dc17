import { constants } from 'node:fs';
import { execaSync } from 'execa';
import { callError } from '../../host/system-error.ts';
import { textOf } from './entry-path.ts';
import type { Timestamp } from './tar-header.ts';

/**
 * What node:fs lacks and a layer may need. Paths are NUL-free bytes; no symlink is followed at their end. Calls fail
 * as node:fs's do: with `code`, `syscall` and `path`.
 */
export interface SystemCalls {
  /** @param type of the file, of its mode: S_IFCHR, S_IFBLK or S_IFIFO. @see mknod(2) */
  makeNode(path: Buffer, type: number, major: number, minor: number): void;
  /** @param name a byte string. @see lsetxattr(2) */
  setXattr(path: Buffer, name: string, value: Buffer): void;
  /** @param name a byte string. @see lremovexattr(2) */
  removeXattr(path: Buffer, name: string): void;
  /** Both times, to the nanosecond, which a number of seconds is too coarse for. @see utimensat(2) */
  setTimes(path: Buffer, time: Timestamp): void;
}

/** By libc in the compiled executable. Node cannot call libc: there, in the unit tests, the host's programs do it. */
export async function openSystemCalls(): Promise<SystemCalls> {
  return 'bun' in process.versions ? (await import('./libc-calls.ts')).libcCalls : programCalls;
}

/** Names must be UTF-8 here. */
const programCalls: SystemCalls = {
  makeNode(path, type, major, minor) {
    const letter = type === constants.S_IFIFO ? 'p' : type === constants.S_IFCHR ? 'c' : 'b';
    const numbers = letter === 'p' ? [] : [String(major), String(minor)];
    run('mknod', ['-m', '600', '--', path.toString(), letter, ...numbers], path);
  },
  setXattr: (path, name, value) =>
    run('setfattr', ['-n', textOf(name), '-v', `0x${value.toString('hex')}`, ...itself(path)], path),
  removeXattr: (path, name) => run('setfattr', ['-x', textOf(name), ...itself(path)], path),
  setTimes(path, { seconds, nanoseconds }) {
    // Seconds before 1970 count down, their fraction up.
    const time = `@${seconds}.${String(nanoseconds).padStart(9, '0')}`;
    const before = `@${seconds + 1}.${String(1e9 - nanoseconds).padStart(9, '0')}`.replace('@0', '@-0');
    run('touch', ['-d', seconds < 0 && nanoseconds > 0 ? before : time, ...itself(path)], path);
  },
};

/** The file of that name, and not what a symlink leads to. */
function itself(path: Buffer): readonly string[] {
  return ['-h', '--', path.toString()];
}

function run(name: string, args: readonly string[], path: Buffer): void {
  const { failed, stderr } = execaSync(name, args, { reject: false, env: { LC_ALL: 'C' }, stdin: 'ignore' });
  if (!failed) return;
  const text = String(stderr);
  const known = Object.entries(codes).find(([words]) => text.includes(words));
  throw callError(known?.[1] ?? 'EIO', name, path);
}

const codes: Readonly<Record<string, string>> = {
  'Operation not supported': 'ENOTSUP',
  'Operation not permitted': 'EPERM',
  'No such attribute': 'ENODATA',
  'No space left': 'ENOSPC',
  'File exists': 'EEXIST',
};
