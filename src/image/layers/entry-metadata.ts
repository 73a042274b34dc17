import { chmodSync, fchmodSync, fchownSync, futimesSync, lchownSync, lutimesSync } from 'node:fs';
import { EntryError, pathOf, textOf } from './entry-path.ts';
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

/** @throws EntryError for one that cannot be set, and is not left out by rule. */
function setXattrs(path: string, entry: TarEntry, calls: SystemCalls): void {
  for (const [name, value] of entry.xattrs) {
    if (name.startsWith('trusted.')) continue;
    try {
      calls.setXattr(Buffer.from(path, 'latin1'), name, Buffer.from(value, 'latin1'));
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (isLeftOut(name, code, entry)) continue;
      const hint = xattrHints[code];
      if (hint === undefined) throw error;
      throw new EntryError(
        entry.name,
        `has the attribute ${textOf(name)}, which cannot be set (${code})`,
        hint,
      );
    }
  }
}

/**
 * Whether an image does without an xattr that cannot be set, by containerd's rules: a filesystem has no place for it;
 * or it is a user's, which the kernel takes for files and directories only (xattr(7)). `trusted.*` is the host's own, and
 * never set. Labels of security modules, but not capabilities, mean something on the host they were made on: GNU tar, too,
 * goes on without them.
 */
function isLeftOut(name: string, code: string, { kind }: TarEntry): boolean {
  if (code === 'ENOTSUP') return true;
  if (name.startsWith('user.')) return code === 'EPERM' && kind !== 'file' && kind !== 'directory';
  const isLabel = name.startsWith('security.') && name !== 'security.capability';
  return isLabel && ['EPERM', 'EACCES', 'EINVAL'].includes(code);
}

const damagedXattr = 'the image is wrong there: build it again without that attribute';
const xattrHints: Readonly<Record<string, string>> = {
  EPERM: 'run it with all capabilities, CAP_SETFCAP and CAP_SYS_ADMIN among them, as root has on a node',
  EACCES: "look at the security module's log (journalctl, dmesg): it forbids this",
  EINVAL: damagedXattr,
  ERANGE: damagedXattr,
  E2BIG: damagedXattr,
};

/** 4294967295 means "leave it" to chown(2). */
function checkOwner({ name, uid, gid }: TarEntry): void {
  for (const id of [uid, gid])
    if (id < 0 || id >= 0xffffffff) throw new EntryError(name, `has an invalid owner: ${id}`);
}
