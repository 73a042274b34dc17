import { chmodSync, fchmodSync, fchownSync, futimesSync, lchownSync, lutimesSync } from 'node:fs';
import { EntryError, pathOf } from './entry-path.ts';
import type { SystemCalls } from './system-calls.ts';
import type { TarEntry } from './tar-entry.ts';
import type { Timestamp } from './tar-header.ts';

/** Owner, mode, xattrs and times, in an order in which none undoes one before it (chown(2), capabilities(7)). */

/** Sets them on an open file. */
export function finishFile(fd: number, path: string, entry: TarEntry, calls: SystemCalls): void {
  checkOwner(entry);
  // The owner first: it clears set-user-ID and security.capability.
  fchownSync(fd, entry.uid, entry.gid);
  fchmodSync(fd, entry.mode);
  if (entry.xattrs.length > 0) setXattrs(path, entry, calls);
  const { seconds, nanoseconds } = entry.mtime;
  if (nanoseconds === 0 && seconds >= 0) futimesSync(fd, seconds, seconds);
  else calls.setTimes(Buffer.from(path, 'latin1'), entry.mtime);
}

/** Sets them on anything but a file. A directory gets its times later, when all is in it. */
export function setMetadata(path: string, entry: TarEntry, calls: SystemCalls): void {
  checkOwner(entry);
  lchownSync(pathOf(path), entry.uid, entry.gid);
  if (entry.kind !== 'symlink') chmodSync(pathOf(path), entry.mode);
  setXattrs(path, entry, calls);
  if (entry.kind !== 'directory') setTimes(path, entry.mtime, calls);
}

export function setTimes(path: string, time: Timestamp, calls: SystemCalls): void {
  const { seconds, nanoseconds } = time;
  // node:fs takes a negative number for "now".
  if (nanoseconds === 0 && seconds >= 0) lutimesSync(pathOf(path), seconds, seconds);
  else calls.setTimes(Buffer.from(path, 'latin1'), time);
}

/** A filesystem that has no place for an xattr does without: so do containerd and umoci. */
function setXattrs(path: string, { xattrs }: TarEntry, calls: SystemCalls): void {
  for (const [name, value] of xattrs) {
    try {
      calls.setXattr(Buffer.from(path, 'latin1'), name, Buffer.from(value, 'latin1'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTSUP') throw error;
    }
  }
}

/** 4294967295 means "leave it" to chown(2). */
function checkOwner({ name, uid, gid }: TarEntry): void {
  for (const id of [uid, gid])
    if (id < 0 || id >= 0xffffffff) throw new EntryError(name, `has an invalid owner: ${id}`);
}
