import type { Host } from '../host/host.ts';
import type { ManifestMount, NodeSettings } from '../manifest/manifest.ts';
import type { Layout } from '../node/layout.ts';
import { rootfsEntrance } from './entrance.ts';

/**
 * Where the host has what the rootfs has under `path`. With a mount namespace of its own the rootfs's mounts are
 * not seen from the host, but what they show is: `prepare` has found each in its place.
 */
export function hostPathOf(
  path: string,
  { rootfs }: Pick<Layout, 'rootfs'>,
  { mounts }: Pick<NodeSettings, 'mounts'>,
  host: Host,
): string {
  const isNamespace = rootfsEntrance(rootfs, host).kind === 'namespace';
  const holder = isNamespace ? holderOf(path, mounts.mounter) : undefined;
  if (holder?.host === undefined) return rootfs + path;
  return holder.host + path.slice(holder.rootfs.length);
}

/** Of mounts in each other the innermost. */
function holderOf(path: string, mounts: readonly ManifestMount[]): ManifestMount | undefined {
  let holder: ManifestMount | undefined;
  for (const mount of mounts) {
    const holds = path === mount.rootfs || path.startsWith(`${mount.rootfs}/`);
    if (holds && mount.rootfs.length >= (holder?.rootfs.length ?? 0)) holder = mount;
  }
  return holder;
}
