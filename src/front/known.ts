import * as system from 'system-calls';
import type { FileStatus, Host } from '../host/host.ts';
import { isRootOnly, type MountHost } from '../host/mount-host.ts';
import { checked, systemError } from './system-error.ts';

/**
 * What is known of files, in the front's own way: a mount asks for some thirty of them, many of which are not there,
 * and an Error for each of those would cost more than all the others.
 */

declare module 'system-calls' {
  interface Known extends Pick<FileStatus, 'isExecutable' | 'isRoots'> {
    readonly isRootOnly: boolean;
  }
}

Object.defineProperties(system.knownPrototype, {
  isExecutable: {
    get(this: system.Known) {
      return (this.mode & 0o111) !== 0;
    },
  },
  isRoots: {
    get(this: system.Known) {
      return isRootOnly(this);
    },
  },
  isRootOnly: {
    get(this: system.Known) {
      return isRootOnly(this);
    },
  },
});

export const stat: Host['stat'] = (path) => found('stat', path, system.stat(path, true));

export const lstat: Host['lstat'] = (path) => found('lstat', path, system.stat(path, false));

/** `MountHost.statusOf` */
export const statusOf: MountHost['statusOf'] = (file) =>
  checked('statx', undefined, system.knownStatus(file));

export const readLink: Host['readLink'] = (path) => {
  const text = system.readlink(path);
  return text === -system.EINVAL ? undefined : found('readlink', path, text);
};

export const readText: Host['readText'] = (path) => {
  // A pipe in the rootfs is not waited for.
  const file = found('open', path, system.open(path, system.O_RDONLY | system.O_NONBLOCK, 0));
  if (file === undefined) return undefined;
  const text = system.read(file, 0, Number.MAX_SAFE_INTEGER);
  system.close(file);
  return text === -system.ESRCH ? undefined : checked('read', path, text);
};

export const remove: Host['remove'] = (path) => void found('unlink', path, system.unlink(path));

/** @returns undefined where nothing is there. @throws Error as node:fs does for any other negative errno. */
function found<T>(call: string, path: string, result: T | number): T | undefined {
  if (typeof result !== 'number' || result >= 0) return result as T;
  if (result === -system.ENOENT || result === -system.ENOTDIR || result === -system.ELOOP) return undefined;
  throw systemError(call, path, -result);
}
