import { ptr } from 'bun:ffi';
import { closeSync, constants as files, openSync } from 'node:fs';
import { AT_FDCWD, check, libc, makeNode, terminated } from './libc.ts';

/** The system calls behind mount(8) and umount(8), and mknod(2); in the compiled executable only. */

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
  // null is no string at all.
  const [from, to, type, data] = [source, target, filesystem?.type, filesystem?.data].map((text) =>
    text === undefined ? null : terminated(text),
  );
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
 * @throws like node:fs: EPERM without CAP_DAC_READ_SEARCH, ENOTSUP where a filesystem has no handles.
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

const S_IFCHR = 0o020000;

/** A character device that everybody may use, as in every /dev. @throws like node:fs. */
export function makeDevice(path: string, major: number, minor: number): void {
  makeNode(path, S_IFCHR | 0o666, major, minor);
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
  const to = terminated(target);
  const here = BigInt.asUintN(64, BigInt(AT_FDCWD));
  const result = libc.syscall(moveMountNumber, fd, Buffer.alloc(1), here, ptr(to), MOVE_MOUNT_F_EMPTY_PATH);
  check('move_mount', target, result);
}
