import * as system from 'system-calls';
import type { Descriptor, MountHost, PlainFile } from '../host/mount-host.ts';
import { locksDirectory, runDirectory, targetLocksFile } from '../node/layout.ts';
import { checked } from './system-error.ts';

/** Files of the mount path that stay open: parts of `MountHost`. */

const { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY, O_PATH, O_RDONLY, O_RDWR } = system;

export const openDirectory: MountHost['openDirectory'] = (path) =>
  orUndefined('open', path, system.open(path, O_PATH | O_DIRECTORY, 0));

export const openIn: MountHost['openIn'] = (directory, name) =>
  orUndefined('openat', name, system.openAt(directory, name, O_PATH | O_NOFOLLOW));

/** ENXIO: a pipe that nobody reads, or a socket. */
const nothingThere = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENXIO', 'EISDIR'];

function orUndefined(call: string, path: string, result: number): Descriptor | undefined {
  if (result < 0 && nothingThere.includes(system.errorNames(-result)[0])) return undefined;
  return checked(call, path, result);
}

/** `MountHost.close` */
export function close(file: Descriptor): void {
  system.close(file);
}

export const openPlainFile: MountHost['openPlainFile'] = (directory, name, user) => {
  const flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  const file = plain(orUndefined('openat', name, system.openAt(directory, name, flags)));
  if (file !== undefined) checked('fchown', name, system.changeOwner(file.descriptor, user));
  return file;
};

export const readEnd: MountHost['readEnd'] = (path, maximumBytes, before) => {
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  const file = plain(orUndefined('open', path, system.open(path, flags, 0)));
  if (file === undefined) return undefined;
  const { descriptor, inode, size } = file;
  const old = inode === before.inode && size >= before.size ? before.size : 0;
  try {
    return checked('read', path, system.read(descriptor, Math.max(old, size - maximumBytes), maximumBytes));
  } finally {
    system.close(descriptor);
  }
};

function plain(descriptor: Descriptor | undefined): PlainFile | undefined {
  if (descriptor === undefined) return undefined;
  const { kind, inode, size } = checked('fstat', undefined, system.fstat(descriptor));
  if (kind === 'file') return { descriptor, inode, size };
  system.close(descriptor);
  return undefined;
}

export const detach: MountHost['detach'] = (path) => {
  checked('umount2', path, system.detachMount(path));
};

export const detachFrom: MountHost['detachFrom'] = (directory) => {
  // By the last part umount2(2) comes from the directory to what is mounted on it.
  const path = `/proc/self/fd/${directory}/.`;
  const result = system.detachMount(path);
  if (result < 0 && system.errorNames(-result)[0] === 'EINVAL') return false;
  checked('umount2', path, result);
  return true;
};

/** What we lock; it stays open to the end, and with it the lock ends. */
let locked: { readonly file: Descriptor; readonly isOurs: boolean } | undefined;

export const lockTarget: MountHost['lockTarget'] = (number, directory) => {
  locked ??= openLocks(directory);
  const { file, isOurs } = locked;
  const result = isOurs ? system.lock(file, number) : system.flock(file);
  if (result < 0 && ['EAGAIN', 'EACCES'].includes(system.errorNames(-result)[0])) return false;
  checked(isOurs ? 'fcntl' : 'flock', targetLocksFile, result);
  return true;
};

/** `prepare` has made the file; a call before that, or after somebody has tidied up, makes it anew. */
function openLocks(directory: Descriptor): { readonly file: Descriptor; readonly isOurs: boolean } {
  const openOurs = () => system.open(targetLocksFile, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  let file = openOurs();
  if (file < 0) {
    for (const path of [runDirectory, locksDirectory]) system.mkdir(path, 0o700);
    file = openOurs();
  }
  if (file >= 0) return { file, isOurs: true };
  const target = system.openAt(directory, '.', O_RDONLY | O_DIRECTORY);
  return { file: checked('openat', targetLocksFile, target), isOurs: false };
}
