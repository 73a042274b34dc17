import * as system from 'system-calls';
import type { Descriptor } from '../host/mount-host.ts';
import { locksDirectory, runDirectory, targetLocksFile } from '../node/layout.ts';
import { checked } from './system-error.ts';

/** What we lock; it stays open to the end, and with it the lock ends. */
let locked: { readonly file: number; readonly isOurs: boolean } | undefined;

/** `MountHost.lockTarget` */
export function lockTarget(number: number, directory: Descriptor): boolean {
  locked ??= open(directory);
  const { file, isOurs } = locked;
  const result = isOurs ? system.lock(file, number) : system.flock(file);
  if (result < 0 && ['EAGAIN', 'EACCES'].includes(system.errorNames(-result)[0])) return false;
  checked(isOurs ? 'fcntl' : 'flock', targetLocksFile, result);
  return true;
}

/** `prepare` has made it; a call before that, or after somebody has tidied up, makes it anew. */
function open(directory: Descriptor): { readonly file: number; readonly isOurs: boolean } {
  const flags = system.O_RDWR | system.O_CREAT | system.O_NOFOLLOW;
  const openOurs = () => system.open(targetLocksFile, flags, 0o600);
  let file = openOurs();
  if (file < 0) {
    for (const path of [runDirectory, locksDirectory]) system.mkdir(path, 0o700);
    file = openOurs();
  }
  if (file >= 0) return { file, isOurs: true };
  const target = system.openAt(directory, '.', system.O_RDONLY | system.O_DIRECTORY);
  return { file: checked('openat', targetLocksFile, target), isOurs: false };
}
