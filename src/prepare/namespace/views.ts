import type { Host } from '../../host/host.ts';
import type { Manifest, ManifestMount } from '../../manifest/manifest.ts';
import { isShared } from '../../manifest/shared-mounts.ts';
import type { Layout } from '../../node/layout.ts';
import type { View } from '../../rootfs/entrance.ts';
import { startStatdMount } from '../place-start-statd.ts';

/** What each view of a rootfs has of the host; where mounts are made is in none of them. */

/** By these a process would find its way to the host, or spoil what other daemons live by. */
const forServicesAlone = ['/proc', '/sys', '/dev', '/run', '/var/lib/nfs', '/var/log/glusterfs'];

/** Those of `mounts` in one view. */
export function mountsOfView(view: View, mounts: readonly ManifestMount[]): readonly ManifestMount[] {
  const seen = mounts.filter((mount) => !isShared(mount));
  return view === 'services' ? seen : seen.filter(({ rootfs }) => !forServicesAlone.some(isIn(rootfs)));
}

function isIn(path: string): (directory: string) => boolean {
  return (directory) => path === directory || path.startsWith(`${directory}/`);
}

/** Those of the manifest, and the start-statd that is ours. */
export function wantedMounts(layout: Layout, manifest: Manifest): readonly ManifestMount[] {
  return [...manifest.mounts.mounter, startStatdMount(layout, manifest)];
}

/** The device nodes of the helpers' view, as in a container; and fuseDevice. */
export const usualDevices: readonly (readonly [name: string, major: number, minor: number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
];

/** Misc device 229, whether its module is loaded yet or not. @see Documentation/admin-guide/devices.txt */
export const fuseDevice = ['fuse', 10, 229] as const;

/** What else the manifest has helpers open, and the host has: `prepare` binds these. */
export function boundDevices({ filesystems }: Pick<Manifest, 'filesystems'>, host: Host): readonly string[] {
  const made = [...usualDevices, fuseDevice].map(([name]) => `/dev/${name}`);
  const named = new Set(Object.values(filesystems).flatMap(({ devices }) => devices));
  return [...named].filter(
    (path) => isIn(path)('/dev') && !made.includes(path) && host.stat(path)?.kind === 'device',
  );
}
