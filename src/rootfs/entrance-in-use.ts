import type { Host } from '../host/host.ts';
import { type MountEntry, mountAt } from '../host/mountinfo.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { isShared } from '../manifest/shared-mounts.ts';
import { isPinned, rootfsEntrance } from './entrance.ts';

/**
 * How mounts are made in a version now, which the next `prepare` changes where the manifest has come to want another way.
 * @param root `versions/<digest>`, without symlinks.
 * @returns undefined where it is not prepared: not yet, or not since the last boot.
 */
export function entranceInUse(
  root: string,
  { mounts }: Pick<Manifest, 'mounts'>,
  entries: readonly MountEntry[],
  host: Host,
): 'attach' | 'chroot' | undefined {
  const entry = rootfsEntrance(root, host);
  if (entry.kind === 'namespace') return isPinned(host, entry.file) ? 'attach' : undefined;
  const isOnHost = mounts.mounter
    .filter(isShared)
    .some(({ rootfs }) => mountAt(entries, `${root}${rootfs}`) !== undefined);
  return isOnHost ? 'chroot' : undefined;
}
