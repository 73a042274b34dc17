import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  rmSync,
} from 'node:fs';

/** What the directory was before: ours alone, as now; or others could reach into it. */
export type Before = 'missing' | 'private' | 'open';

/**
 * Makes `path`, in a directory that others cannot write in, one that only this user enters. What is there and is no
 * directory, a symlink too, gives way; a directory is put right, and keeps what is in it.
 */
export function makePrivateDirectory(path: string): Before {
  const before = make(path);
  if (before !== undefined) return before;
  const fd = openDirectory(path);
  if (fd !== undefined) return close(fd, path);
  rmSync(path, { force: true });
  mkdirSync(path, { mode: 0o700 });
  return 'open';
}

/** @returns undefined where something has that name. */
function make(path: string): Before | undefined {
  try {
    mkdirSync(path, { mode: 0o700 });
    return 'missing';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return undefined;
  }
}

/** @returns undefined for what is no directory. */
function openDirectory(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR' || code === 'ELOOP') return undefined;
    throw error;
  }
}

/** The owner first: whoever owns it could change its mode. */
function close(fd: number, path: string): Before {
  try {
    const { uid, mode } = fstatSync(fd);
    const own = process.geteuid?.() ?? uid;
    if (uid === own && (mode & 0o7777) === 0o700) return 'private';
    if (uid !== own) fchownSync(fd, own, process.getegid?.() ?? -1);
    fchmodSync(fd, 0o700);
    return uid === own && (mode & 0o077) === 0 ? 'private' : 'open';
  } catch (error) {
    // A call by descriptor is refused without a word on which directory it was.
    throw Object.assign(error as Error, { path });
  } finally {
    closeSync(fd);
  }
}
