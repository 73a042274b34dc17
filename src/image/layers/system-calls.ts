import { AT_FDCWD, check, libc, makeNode, terminated } from '../../host/libc.ts';
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

const AT_SYMLINK_NOFOLLOW = 0x100;

/** In the compiled executable only. */
export const libcCalls: SystemCalls = {
  makeNode: (path: Buffer, type: number, major: number, minor: number) =>
    makeNode(path, type | 0o600, major, minor),

  setXattr(path: Buffer, name: string, value: Buffer): void {
    // An empty buffer has no address.
    const content = value.length === 0 ? Buffer.alloc(1) : value;
    const result = libc.lsetxattr(terminated(path), attributeName(name), content, value.length, 0);
    check('lsetxattr', path, result);
  },

  removeXattr: (path: Buffer, name: string) =>
    check('lremovexattr', path, libc.lremovexattr(terminated(path), attributeName(name))),

  setTimes(path: Buffer, { seconds, nanoseconds }: Timestamp): void {
    const times = new BigInt64Array([seconds, nanoseconds, seconds, nanoseconds].map(BigInt));
    check('utimensat', path, libc.utimensat(AT_FDCWD, terminated(path), times, AT_SYMLINK_NOFOLLOW));
  },
};

function attributeName(bytes: string): Buffer {
  return terminated(Buffer.from(bytes, 'latin1'));
}
