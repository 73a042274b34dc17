import { dlopen, read } from 'bun:ffi';
import { constants } from 'node:os';
import { callError, type SystemCalls } from './system-calls.ts';
import type { Timestamp } from './tar-header.ts';

/**
 * mknod(2) by its number: until 2.33 glibc had no function of that name to find. On both architectures
 * syscall(2) takes its arguments as any function does.
 */
const mknodatNumber: Readonly<Record<string, number>> = { x64: 259, arm64: 33 };
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

/** By libc, through bun:ffi; it is opened when the first layer needs it. */
export class LibcCalls implements SystemCalls {
  readonly #libc = once(openLibc);

  makeNode(path: Buffer, type: number, major: number, minor: number): void {
    // The kernel's own form of a device's number (include/linux/kdev_t.h).
    const device = (minor & 0xff) + major * 0x100 + Math.floor(minor / 0x100) * 0x100000;
    const number = mknodatNumber[process.arch];
    if (number === undefined || major > 0xfff || minor > 0xfffff) throw callError('EINVAL', 'mknod', path);
    this.#check(
      'mknod',
      path,
      this.#libc().syscall(number, AT_FDCWD, terminated(path), type | 0o600, device),
    );
  }

  setXattr(path: Buffer, name: string, value: Buffer): void {
    const bytes = terminated(Buffer.from(name, 'latin1'));
    // An empty buffer has no address.
    const content = value.length === 0 ? Buffer.alloc(1) : value;
    const result = this.#libc().lsetxattr(terminated(path), bytes, content, value.length, 0);
    this.#check('lsetxattr', path, result);
  }

  removeXattr(path: Buffer, name: string): void {
    const bytes = terminated(Buffer.from(name, 'latin1'));
    if (this.#libc().lremovexattr(terminated(path), bytes) === 0) return;
    const error = this.#error('lremovexattr', path);
    if (error.code !== 'ENODATA') throw error;
  }

  setTimes(path: Buffer, { seconds, nanoseconds }: Timestamp): void {
    const times = new BigInt64Array([seconds, nanoseconds, seconds, nanoseconds].map(BigInt));
    const result = this.#libc().utimensat(AT_FDCWD, terminated(path), times, AT_SYMLINK_NOFOLLOW);
    this.#check('utimensat', path, result);
  }

  #check(call: string, path: Buffer, result: number): void {
    if (Number(result) !== 0) throw this.#error(call, path);
  }

  /** At once after the call, before anything else sets errno. */
  #error(call: string, path: Buffer): NodeJS.ErrnoException {
    const errno = read.i32(this.#libc().__errno_location());
    const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0];
    // ENOTSUP and EOPNOTSUPP are one number.
    const code = errno === constants.errno.ENOTSUP ? 'ENOTSUP' : (name ?? `errno ${errno}`);
    return callError(code, call, path);
  }
}

function openLibc() {
  return dlopen('libc.so.6', {
    syscall: { args: ['i64', 'i32', 'ptr', 'u32', 'u64'], returns: 'i32' },
    lsetxattr: { args: ['ptr', 'ptr', 'ptr', 'u64', 'i32'], returns: 'i32' },
    lremovexattr: { args: ['ptr', 'ptr'], returns: 'i32' },
    utimensat: { args: ['i32', 'ptr', 'ptr', 'i32'], returns: 'i32' },
    __errno_location: { args: [], returns: 'ptr' },
  }).symbols;
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function terminated(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}
