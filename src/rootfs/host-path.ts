import type { Host } from '../host/host.ts';
import type { NodeSettings, SeenMount } from '../manifest/manifest.ts';
import type { Layout } from '../node/layout.ts';
import { rootfsEntrance } from './entrance.ts';

/** Where the host finds what a rootfs has at `path`: mounts in a namespace of the rootfs are not seen from the host. */
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

/** @returns the innermost mount that holds `path`. */
function holderOf(path: string, mounts: readonly SeenMount[]): SeenMount | undefined {
  let holder: SeenMount | undefined;
  for (const mount of mounts) {
    const holds = path === mount.rootfs || path.startsWith(`${mount.rootfs}/`);
    if (holds && mount.rootfs.length >= (holder?.rootfs.length ?? 0)) holder = mount;
  }
  return holder;
}
