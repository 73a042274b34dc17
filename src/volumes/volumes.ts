import { existsSync, realpathSync } from 'node:fs';
import { type MountEntry, mountsBelow } from '../host/mountinfo.ts';
import { volumeTypes } from '../manifest/filesystem-kinds.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { isShared, type SharedDirectory } from '../manifest/shared-mounts.ts';

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
  return volumeDirectories(manifest).flatMap((directory) => volumesBelow(directory, entries));
}

/**
 * The host's directories below which volumes are mounted, those that are there.
 * @param isToLookAt may leave one out, by its path, before it is looked at.
 */
export function volumeDirectories(
  { mounts }: Pick<Manifest, 'mounts'>,
  isToLookAt: (host: string) => boolean = () => true,
): readonly SharedDirectory[] {
  return mounts.mounter
    .filter(isShared)
    .flatMap(({ host, rootfs }) =>
      host !== undefined && isToLookAt(host) && existsSync(host)
        ? [{ host: realpathSync(host), rootfs }]
        : [],
    );
}

/** @param directory its `host` is without symlinks. */
export function volumesBelow(directory: SharedDirectory, entries: readonly MountEntry[]): readonly Volume[] {
  const counts = new Map<string, number>();
  for (const { mountPoint } of entries) {
    const path = pathBelow(directory, mountPoint);
    if (path !== undefined) counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return mountsBelow(entries, directory.host)
    .filter(({ fstype }) => volumeTypes.includes(fstype))
    .map(({ source, mountPoint, fstype }) => ({
      source,
      target: mountPoint,
      fstype,
      entries: counts.get(pathBelow(directory, mountPoint) ?? '') ?? 0,
    }));
}

/** `/pods/…`: the rest of a mount point below the directory, on the host or in whichever rootfs. */
function pathBelow({ host, rootfs }: SharedDirectory, mountPoint: string): string | undefined {
  if (mountPoint.startsWith(`${host}/`)) return mountPoint.slice(host.length);
  const at = mountPoint.indexOf(`${rootfs}/`);
  return at < 0 ? undefined : mountPoint.slice(at + rootfs.length);
}
