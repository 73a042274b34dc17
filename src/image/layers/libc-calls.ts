import { AT_FDCWD, check, libc, makeNode, terminated } from '../../host/libc.ts';
import type { Timestamp } from './tar-header.ts';

const AT_SYMLINK_NOFOLLOW = 0x100;

/** The system calls of a layer, by libc. */
export const libcCalls = {
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
