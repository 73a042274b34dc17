import { existsSync, realpathSync } from 'node:fs';
import { type MountEntry, mountsBelow } from '../host/mountinfo.ts';
import type { Manifest } from './manifest.ts';

/** A volume on the host, whoever mounted it. */
export interface Volume {
  readonly source: string;
  readonly target: string;
  readonly fstype: string;
  /** Lines of mountinfo that this one mount costs: the host's, and one in each rootfs that sees it. */
  readonly entries: number;
}

const volumeTypes = ['nfs', 'nfs4', 'fuse.glusterfs', 'cifs', 'ceph', 'smb3'];

/** The network volumes below the directories that are shared with the rootfs. */
export function volumesOf(manifest: Manifest, entries: readonly MountEntry[]): readonly Volume[] {
  const directories = manifest.mounts.mounter.flatMap((mount) =>
    mount.propagation === 'shared' && mount.host !== undefined && existsSync(mount.host)
      ? [realpathSync(mount.host)]
      : [],
  );
  const candidates = directories.flatMap((directory) => mountsBelow(entries, directory));
  return candidates
    .filter(({ fstype }) => volumeTypes.includes(fstype))
    .map(({ source, mountPoint, fstype }) => ({
      source,
      target: mountPoint,
      fstype,
      entries: countEntries(mountPoint, entries),
    }));
}

function countEntries(target: string, entries: readonly MountEntry[]): number {
  return entries.filter(
    ({ mountPoint }) => mountPoint === target || mountPoint.endsWith(`/${target.slice(1)}`),
  ).length;
}
