import { existsSync, realpathSync } from 'node:fs';
import { type MountEntry, mountsBelow } from '../host/mountinfo.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { isShared, type SharedDirectory } from '../manifest/shared-mounts.ts';
import { volumeTypes } from '../mount/filesystems/all.ts';

/** A volume on the host, whoever mounted it. */
export interface Volume {
  readonly source: string;
  readonly target: string;
  readonly fstype: string;
  /** Lines of mountinfo that this one mount costs: the host's, and one in each rootfs that sees it. */
  readonly entries: number;
}

/** The network volumes below the directories that are shared with the rootfs. */
export function volumesOf(manifest: Manifest, entries: readonly MountEntry[]): readonly Volume[] {
  return manifest.mounts.mounter.filter(isShared).flatMap(({ host, rootfs }) => {
    if (host === undefined || !existsSync(host)) return [];
    return volumesBelow({ host: realpathSync(host), rootfs }, entries);
  });
}

/** @param directory its `host` is without symlinks. */
export function volumesBelow(directory: SharedDirectory, entries: readonly MountEntry[]): readonly Volume[] {
  const counts = new Map<string, number>();
  for (const { mountPoint } of entries) {
    const way = wayBelow(directory, mountPoint);
    if (way !== undefined) counts.set(way, (counts.get(way) ?? 0) + 1);
  }
  return mountsBelow(entries, directory.host)
    .filter(({ fstype }) => volumeTypes.includes(fstype))
    .map(({ source, mountPoint, fstype }) => ({
      source,
      target: mountPoint,
      fstype,
      entries: counts.get(wayBelow(directory, mountPoint) ?? '') ?? 0,
    }));
}

/** `/pods/…`: the rest of a mount point below the directory, on the host or in whichever rootfs. */
function wayBelow({ host, rootfs }: SharedDirectory, mountPoint: string): string | undefined {
  if (mountPoint.startsWith(`${host}/`)) return mountPoint.slice(host.length);
  const at = mountPoint.indexOf(`${rootfs}/`);
  return at < 0 ? undefined : mountPoint.slice(at + rootfs.length);
}
