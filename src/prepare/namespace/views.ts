import type { Host } from '../../host/host.ts';
import type { Manifest, ManifestMount } from '../../manifest/manifest.ts';
import { isShared } from '../../manifest/shared-mounts.ts';
import type { Layout } from '../../node/layout.ts';
import type { View } from '../../rootfs/entrance.ts';
import { isAtOrBelow } from '../../rootfs/root-processes.ts';
import { cachesInRootfs, cachesSeen } from '../../services/starts.ts';

/** What each view of a rootfs has of the host. The directories in which volumes are mounted are in neither of them. */

/** With these a process could reach the host, or harm other daemons. */
const forServicesAlone = [
  ...['/proc', '/sys', '/dev', '/run', '/var/lib/nfs', '/var/log/glusterfs'],
  cachesInRootfs,
];

/** @returns those of `mounts` that a view has. */
export function mountsOfView(view: View, mounts: readonly ManifestMount[]): readonly ManifestMount[] {
  const seen = mounts.filter((mount) => !isShared(mount));
  return view === 'services'
    ? seen
    : seen.filter(({ rootfs }) => !forServicesAlone.some((directory) => isAtOrBelow(rootfs, directory)));
}

/** The mounts of the manifest, those of our start-statd over the image's own, and of a directory of users' tickets. */
export function wantedMounts(
  { startStatd }: Layout,
  { mounts, daemons, security: { krb5 } }: Manifest,
): readonly ManifestMount[] {
  const own = { type: 'bind', access: 'rw', optional: false, propagation: 'private' } as const;
  const caches = { ...own, host: krb5.credentialCaches, rootfs: cachesInRootfs, create: '0755' };
  return [
    ...mounts.mounter,
    { ...own, host: startStatd, rootfs: daemons.startStatd },
    ...(cachesSeen(krb5.credentialCaches) === cachesInRootfs ? [caches] : []),
  ];
}

/** The device nodes of the helpers' view, those that a container has; `fuseDevice` is one more. */
export const usualDevices: readonly (readonly [name: string, major: number, minor: number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
];

/** Misc device 229, whether its module is loaded yet or not. @see Documentation/admin-guide/devices.txt */
export const fuseDevice = ['fuse', 10, 229] as const;

/** The other devices of the manifest that the host has. `prepare` binds these. */
export function boundDevices({ filesystems }: Pick<Manifest, 'filesystems'>, host: Host): readonly string[] {
  const made = [...usualDevices, fuseDevice].map(([name]) => `/dev/${name}`);
  const named = new Set(Object.values(filesystems).flatMap(({ devices }) => devices));
  return [...named].filter(
    (path) => isAtOrBelow(path, '/dev') && !made.includes(path) && host.stat(path)?.kind === 'device',
  );
}
