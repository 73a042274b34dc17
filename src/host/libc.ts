import { dlopen, read } from 'bun:ffi';
import { constants } from 'node:os';
import { callError } from './system-error.ts';

/**
 * The system calls that `node:` lacks, by libc: this is the one place that opens it. In the compiled executable only;
 * the files beside it say what the calls do.
 */

export const libc = dlopen('libc.so.6', {
  __errno_location: { args: [], returns: 'ptr' },
  chroot: { args: ['ptr'], returns: 'i32' },
  execv: { args: ['ptr', 'ptr'], returns: 'i32' },
  fchdir: { args: ['i32'], returns: 'i32' },
  fcntl: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  lremovexattr: { args: ['ptr', 'ptr'], returns: 'i32' },
  lsetxattr: { args: ['ptr', 'ptr', 'ptr', 'u64', 'i32'], returns: 'i32' },
  memfd_create: { args: ['ptr', 'u32'], returns: 'i32' },
  mount: { args: ['ptr', 'ptr', 'ptr', 'u64', 'ptr'], returns: 'i32' },
  name_to_handle_at: { args: ['i32', 'ptr', 'ptr', 'ptr', 'i32'], returns: 'i32' },
  open_by_handle_at: { args: ['i32', 'ptr', 'i32'], returns: 'i32' },
  posix_fadvise: { args: ['i32', 'i64', 'i64', 'i32'], returns: 'i32' },
  sched_getaffinity: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
  sched_setaffinity: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
  setenv: { args: ['ptr', 'ptr', 'i32'], returns: 'i32' },
  setns: { args: ['i32', 'i32'], returns: 'i32' },
  setrlimit: { args: ['i32', 'ptr'], returns: 'i32' },
  signal: { args: ['i32', 'u64'], returns: 'i64' },
  syscall: { args: ['i64', 'i32', 'ptr', 'u64', 'u64', 'u64'], returns: 'i64' },
  umount2: { args: ['ptr', 'i32'], returns: 'i32' },
  unshare: { args: ['i32'], returns: 'i32' },
  utimensat: { args: ['i32', 'ptr', 'ptr', 'i32'], returns: 'i32' },
}).symbols;

/** "Relative to the working directory", of the calls whose names end in `at`. */
export const AT_FDCWD = -100;

/**
 * To be called at once after the call, before anything else sets errno.
 * @param result of the call; 0 says that it worked.
 * @throws like node:fs, with `code`, `syscall` and `path`.
 */
export function check(call: string, path: string | Buffer, result: number): void {
  if (Number(result) === 0) return;
  throw callError(errnoName(read.i32(libc.__errno_location())), call, path);
}

function errnoName(errno: number): string {
  // EOPNOTSUPP is the same number.
  if (errno === constants.errno.ENOTSUP) return 'ENOTSUP';
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}

/** As C has strings. */
export function terminated(text: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(text), Buffer.alloc(1)]);
}

/** mknodat(2) by its number: until 2.33 glibc had no function of that name to find. */
const mknodatNumber: Readonly<Record<string, number>> = { x64: 259, arm64: 33 };

/**
 * mknod(2).
 * @param mode the type, S_IFCHR, S_IFBLK or S_IFIFO, and the permissions, from which the umask is taken.
 * @throws like node:fs; EINVAL for a number that the kernel has no room for.
 */
export function makeNode(path: string | Buffer, mode: number, major: number, minor: number): void {
  const number = mknodatNumber[process.arch];
  if (number === undefined || major > 0xfff || minor > 0xfffff) throw callError('EINVAL', 'mknod', path);
  // The kernel's own form of a device's number (include/linux/kdev_t.h).
  const device = (minor & 0xff) + major * 0x100 + Math.floor(minor / 0x100) * 0x100000;
  check('mknod', path, libc.syscall(number, AT_FDCWD, terminated(path), mode, device, 0));
}
