import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import type { FileStatus, Way, WayStep } from './host.ts';

/** open(2)'s O_PATH, which node:fs does not name; the same on every Linux architecture we build for. */
const O_PATH = 0o10000000;

/**
 * `Host.walk`. JavaScript has no openat(2): /proc/self/fd/N/NAME is the same, a name looked up in the very
 * directory that N is open on, wherever that has been moved to. Nothing but its own fds is kept open.
 */
export function walk(directory: string, names: readonly string[]): Way {
  const steps: WayStep[] = [];
  const open: number[] = [];
  try {
    let fd = openPath(directory, 0);
    if (fd !== undefined) open.push(fd);
    for (const name of names) {
      const step = fd === undefined ? undefined : stepOf(fstatSync(fd));
      if (step !== undefined) steps.push(step);
      if (step?.kind !== 'directory') return { steps, mountId: undefined, parentMountId: undefined };
      fd = openPath(`/proc/self/fd/${fd}/${name}`, constants.O_NOFOLLOW);
      if (fd !== undefined) open.push(fd);
    }
    if (fd === undefined) return { steps, mountId: undefined, parentMountId: undefined };
    const [mountId, parentMountId] = [mountIdOf(fd), mountIdOf(open.at(-2) ?? fd)];
    if (mountId === parentMountId) steps.push(stepOf(fstatSync(fd)));
    return { steps, mountId, parentMountId };
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

/** The id of the mount that what `fd` is open on lies on. */
export function mountIdOf(fd: number): number | undefined {
  const match = /^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'));
  return match === null ? undefined : Number(match[1]);
}

/** @returns undefined when nothing is there, or nothing that can be reached. */
export function openPath(path: string, flags: number): number | undefined {
  try {
    return openSync(path, O_PATH | flags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ELOOP: a symlink on the way, on a mount with nosymfollow.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw error;
  }
}

function stepOf(stats: Stats): WayStep {
  const { dev: device, ino: inode } = stats;
  return { kind: kindOf(stats), device, inode, isRootOnly: isRootOnly(stats) };
}

function isRootOnly({ uid, gid, mode }: Stats): boolean {
  return uid === 0 && (mode & 0o002) === 0 && ((mode & 0o020) === 0 || gid === 0);
}

export function kindOf(stats: Stats): FileStatus['kind'] {
  if (stats.isDirectory()) return 'directory';
  if (stats.isFile()) return 'file';
  if (stats.isSymbolicLink()) return 'symlink';
  return stats.isCharacterDevice() || stats.isBlockDevice() ? 'device' : 'other';
}
