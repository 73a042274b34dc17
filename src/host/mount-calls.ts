import { dlopen, read } from 'bun:ffi';
import { constants } from 'node:os';

/** The system calls behind mount(8), umount(8) and pivot_root(8), by libc; in the compiled executable only. */

const libc = dlopen('libc.so.6', {
  mount: { args: ['ptr', 'ptr', 'ptr', 'u64', 'ptr'], returns: 'i32' },
  umount2: { args: ['ptr', 'i32'], returns: 'i32' },
  syscall: { args: ['i64', 'ptr', 'ptr'], returns: 'i64' },
  __errno_location: { args: [], returns: 'ptr' },
}).symbols;

/** @see mount(2); the same on every Linux architecture we build for. */
export const mountFlags = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  remount: 32,
  nosymfollow: 256,
  noatime: 1024,
  nodiratime: 2048,
  bind: 4096,
  recursive: 16384,
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
  relatime: 1 << 21,
} as const;

/** mount(2). @throws like node:fs. */
export function mount(
  source: string | undefined,
  target: string,
  flags: number,
  filesystem?: { readonly type: string; readonly data: string },
): void {
  const [from, to, type, data] = [source, target, filesystem?.type, filesystem?.data].map(terminated);
  check('mount', target, libc.mount(from, to, type, flags, data));
}

const MNT_DETACH = 2;

/** umount2(2), lazily. @throws like node:fs. */
export function detach(target: string): void {
  check('umount2', target, libc.umount2(terminated(target), MNT_DETACH));
}

/** pivot_root(2) by its number: glibc has no function for it. */
const pivotRootNumber: Readonly<Record<string, number>> = { x64: 155, arm64: 41 };

/** @param old a directory below `root`. @throws like node:fs. */
export function pivotRoot(root: string, old: string): void {
  const number = pivotRootNumber[process.arch];
  if (number === undefined) throw new Error(`pivot_root(2) has no number on ${process.arch}`);
  check('pivot_root', root, Number(libc.syscall(number, terminated(root), terminated(old))));
}

function check(call: string, path: string, result: number): void {
  if (result === 0) return;
  const errno = read.i32(libc.__errno_location());
  const code = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  throw Object.assign(new Error(`${code}: ${call} '${path}'`), { code, syscall: call, path });
}

/** null is no string at all. */
function terminated(text: string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(`${text}\0`);
}
