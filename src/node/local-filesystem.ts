import type { Host } from '../host/host.ts';
import { containingMount } from '../host/mount-tree.ts';
import type { MountEntry } from '../host/mountinfo.ts';

/** Filesystems that wait for nobody: for no server, and for no process as fuse does. Others may hang. */
const localTypes = ['bcachefs', 'btrfs', 'ext2', 'ext3', 'ext4', 'f2fs', 'overlay', 'tmpfs', 'xfs', 'zfs'];

/**
 * Whether `path` is known to lie on a filesystem of the node's own, without asking that filesystem first.
 * A symlink on the way may lead anywhere: then it is not known.
 */
export function isOnLocalFilesystem(host: Host, path: string, entries: readonly MountEntry[]): boolean {
  const parts = path.split('/').slice(1);
  const ways = parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
  return ways.every((way) => {
    if (!localTypes.includes(containingMount(entries, way).fstype)) return false;
    return host.lstat(way)?.kind !== 'symlink';
  });
}
