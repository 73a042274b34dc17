import { dlopen, ptr, read } from 'bun:ffi';
import { closeSync, constants as files, openSync } from 'node:fs';
import { constants } from 'node:os';

/** The system calls behind mount(8) and umount(8), and mknod(2), by libc; in the compiled executable only. */

const libc = dlopen('libc.so.6', {
  mount: { args: ['ptr', 'ptr', 'ptr', 'u64', 'ptr'], returns: 'i32' },
  umount2: { args: ['ptr', 'i32'], returns: 'i32' },
  name_to_handle_at: { args: ['i32', 'ptr', 'ptr', 'ptr', 'i32'], returns: 'i32' },
  open_by_handle_at: { args: ['i32', 'ptr', 'i32'], returns: 'i32' },
  fchdir: { args: ['i32'], returns: 'i32' },
  syscall: { args: ['i64', 'i32', 'ptr', 'u64', 'u64', 'u64'], returns: 'i64' },
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
  move: 8192,
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

/** fchdir(2), of the calling thread. @throws like node:fs. */
export function changeDirectory(directory: number): void {
  check('fchdir', '/', libc.fchdir(directory));
}

/** MAX_HANDLE_SZ of <fcntl.h>. */
const handleBytes = 128;

/**
 * Opens what a directory is where something is mounted on it, and every path leads there: a handle names a file of a
 * filesystem, whatever covers it.
 * @param holder the mount point of the mount that the directory lies on, beneath.
 * @returns a descriptor.
 * @throws like node:fs: EPERM without CAP_DAC_READ_SEARCH, EOPNOTSUPP where a filesystem has no handles.
 */
export function openBeneath(directory: string, holder: string): number {
  const handle = Buffer.alloc(8 + handleBytes);
  handle.writeUInt32LE(handleBytes, 0);
  const path = terminated(directory);
  check('name_to_handle_at', directory, libc.name_to_handle_at(AT_FDCWD, path, handle, Buffer.alloc(8), 0));
  const mounted = openSync(holder, files.O_RDONLY | files.O_DIRECTORY);
  try {
    const fd = libc.open_by_handle_at(mounted, handle, files.O_RDONLY | files.O_DIRECTORY);
    check('open_by_handle_at', directory, Math.min(fd, 0));
    return fd;
  } finally {
    closeSync(mounted);
  }
}

/** mknodat(2) by its number: until 2.33 glibc had no function of that name to find. */
const mknodatNumber: Readonly<Record<string, number>> = { x64: 259, arm64: 33 };
const AT_FDCWD = -100;
const S_IFCHR = 0o020000;

/** A character device that everybody may use, as in every /dev. @throws like node:fs. */
export function makeDevice(path: string, major: number, minor: number): void {
  const number = mknodatNumber[process.arch];
  if (number === undefined) throw new Error(`mknodat(2) has no number on ${process.arch}`);
  const device = (minor & 0xff) + major * 0x100;
  check('mknod', path, Number(libc.syscall(number, AT_FDCWD, terminated(path), S_IFCHR | 0o666, device, 0)));
}

/** By their numbers, the same on every architecture: glibc has them from 2.36 on. */
const [openTreeNumber, moveMountNumber] = [428, 429];
const OPEN_TREE_CLONE = 1;
const AT_RECURSIVE = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH = 4;

/**
 * open_tree(2): a copy of the mount that `path` lies on, as mount --bind makes it, which is nowhere yet.
 * @returns a descriptor. @throws like node:fs; ENOSYS before Linux 5.2.
 */
export function copyMount(path: string, isRecursive: boolean): number {
  const flags = OPEN_TREE_CLONE | (isRecursive ? AT_RECURSIVE : 0);
  const fd = Number(libc.syscall(openTreeNumber, AT_FDCWD, terminated(path), flags, 0, 0));
  if (fd < 0) check('open_tree', path, fd);
  return fd;
}

/** move_mount(2): attaches what copyMount has made. @throws like node:fs. */
export function attachMount(fd: number, target: string): void {
  const to = Buffer.from(`${target}\0`);
  const here = BigInt.asUintN(64, BigInt(AT_FDCWD));
  check(
    'move_mount',
    target,
    Number(libc.syscall(moveMountNumber, fd, Buffer.alloc(1), here, ptr(to), MOVE_MOUNT_F_EMPTY_PATH)),
  );
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
