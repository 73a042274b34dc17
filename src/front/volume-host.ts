import * as system from 'system-calls';
import type { MountFlag, UnmountHow, VolumeHost } from '../host/mount-host.ts';
import { withTimeout } from '../host/with-timeout.ts';
import { frontHost } from './host.ts';
import { endOf, holdInterruptions, kill } from './signals.ts';
import { checked } from './system-error.ts';

/** MOUNT_ATTR_* of <linux/mount.h> */
const attributes: Readonly<Record<MountFlag, number>> = { ro: 1, nosuid: 2, nodev: 4, noexec: 8 };
/** @see umount2(2) */
const unmountFlags: Readonly<Record<UnmountHow, number>> = { plain: 0, force: 1, detach: 2 };

export const volumeHost: VolumeHost = {
  ...frontHost,
  makeDirectoryIn: (directory, name) => {
    checked('mkdir', name, system.mkdir(pathOf(directory, name), 0o750));
  },
  removeIn: (directory, name) => {
    const path = pathOf(directory, name);
    const file = frontHost.lstat(path);
    const isEmptyFile = file?.kind === 'file' && file.size === 0;
    const result = isEmptyFile ? system.unlink(path) : system.rmdir(path);
    return result < 0 ? errorOf(result) : undefined;
  },
  attachCopy: (file, flags, target) => {
    const mount = system.cloneMount(file);
    if (mount < 0) return errorOf(mount);
    const set = flags.reduce((bits, flag) => bits | attributes[flag], 0);
    const changed = system.setMountAttributes(mount, set);
    const result = changed < 0 ? changed : system.attachMount(mount, target);
    system.close(mount);
    return result < 0 ? errorOf(result) : undefined;
  },
  spaceOf: (file) => {
    const values = system.space(file);
    if (typeof values === 'number') return errorOf(values);
    const [blocks = 0, free = 0, available = 0, size = 0, inodes = 0, freeInodes = 0] = values;
    return {
      bytes: { total: blocks * size, free: free * size, available: available * size },
      inodes: { total: inodes, free: freeInodes },
    };
  },
  unmountIn: async (directory, name, how, limitMs) => {
    holdInterruptions();
    const pid = checked('fork', undefined, system.unmount(directory, name, unmountFlags[how]));
    const errno = await withTimeout(endOf(pid), limitMs);
    if (errno === 0) return undefined;
    if (errno !== undefined) return system.errorNames(errno)[0];
    kill(pid, 'SIGKILL');
    return 'silent';
  },
};

function pathOf(directory: number, name: string): string {
  return `/proc/self/fd/${directory}/${name}`;
}

function errorOf(result: number): string {
  return system.errorNames(-result)[0];
}
