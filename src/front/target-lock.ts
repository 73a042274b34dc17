import * as system from 'system-calls';
import { locksDirectory, targetLocksFile } from '../rootfs/layout.ts';
import { checked } from './system-error.ts';

/** Stays open to the end: with it the lock ends. */
let file: number | undefined;

/** `MountHost.lockTarget` */
export function lockTarget(number: number): boolean {
  file ??= openFile();
  const result = system.lock(file, number);
  if (result < 0 && ['EAGAIN', 'EACCES'].includes(system.errorNames(-result)[0])) return false;
  checked('fcntl', targetLocksFile, result);
  return true;
}

/** `prepare` has made it; a call before that, or after somebody has tidied up, makes it anew. */
function openFile(): number {
  const flags = system.O_RDWR | system.O_CREAT | system.O_NOFOLLOW;
  const found = system.open(targetLocksFile, flags, 0o600);
  if (found >= 0) return found;
  for (const directory of [locksDirectory.slice(0, locksDirectory.lastIndexOf('/')), locksDirectory])
    system.mkdir(directory, 0o700);
  return checked('open', targetLocksFile, system.open(targetLocksFile, flags, 0o600));
}
