import { readFileSync } from 'node:fs';
import { type FilesystemKind, kindNames } from '../../../src/manifest/filesystem-kinds.ts';
import { type Manifest, type NodeSettings, parseManifest } from '../../../src/manifest/manifest.ts';
import { parseMountArguments } from '../../../src/mount/arguments/argv.ts';
import { type MountRequest, toMountRequest } from '../../../src/mount/arguments/request.ts';
import type { FilesystemDriver } from '../../../src/mount/filesystems/filesystem-driver.ts';
import { driverFor } from '../../../src/mount/filesystems/filesystems.ts';
import { filesystemOf, planWith } from '../../../src/mount/plan.ts';
import type { MountPlan } from '../../../src/mount/plan-data.ts';
import type { RunContext } from '../../../src/mount/run.ts';
import { layoutOf } from '../../../src/node/layout.ts';
import { namespacesLink } from '../../../src/rootfs/entrance.ts';
import { guardedProgram } from '../../../src/rootfs/guarded-program.ts';
import { HostModel } from './host-model.ts';

const manifestPath = new URL('../../../rootfs-manifest.json', import.meta.url);

/** As it ships. */
export const manifest: Manifest = parseManifest(readFileSync(manifestPath, 'utf8'), 'rootfs-manifest.json');
export const layout = layoutOf('/home/mounter');
export const target = '/var/lib/kubelet/pods/uid/volumes/v';

/**
 * A node that is prepared for chroot(2), on which `target` is an empty directory and every helper is there.
 */
export function preparedNode(): HostModel {
  const host = nodeWithRootfs();
  for (const path of ['', ...onTheWay])
    host.sameFile(`/var/lib/kubelet${path}`, `${layout.rootfs}/var/lib/kubelet${path}`);
  host.file(`${layout.rootfs}/dev/fuse`, { kind: 'device' });
  return host;
}

/** Where the mount namespaces of the rootfs are pinned. */
export const pins = '/run/containerized-mounter/namespaces/0123456789ab.1';

/** The same node, whose mounts are made apart: from the host its rootfs has neither devices nor the kubelet directory. */
export function attachNode(): HostModel {
  const host = nodeWithRootfs();
  const nsfs = { device: 4 };
  for (const file of ['/proc/self/ns/mnt', `${pins}/services`, `${pins}/helpers`]) host.file(file, nsfs);
  host.links.set(`${layout.rootfs}/${namespacesLink}`, pins);
  return host;
}

/** What is to hold in either way. */
export const nodes = [
  ['attach', attachNode],
  ['chroot', preparedNode],
] as const;

/** /proc/net/if_inet6 of a node with IPv6. */
export const addresses6 = `00000000000000000000000000000001 01 80 10 80       lo
fe800000000000000000000000000001 02 40 20 80     eth0
fd000000000000000000000000000001 02 40 00 80     eth0
`;

const onTheWay = ['/pods', '/pods/uid', '/pods/uid/volumes', '/pods/uid/volumes/v'];

function nodeWithRootfs(): HostModel {
  const host = new HostModel();
  host.directory('/', '/var', '/var/lib', '/var/lib/kubelet', layout.rootfs);
  for (const path of onTheWay) host.directory(`/var/lib/kubelet${path}`);
  for (const { helper } of Object.values(manifest.filesystems))
    host.file(`${layout.rootfs}${helper}`, { isExecutable: true });
  host.links.set(`${layout.rootfs}${guardedProgram}`, '/usr/sbin/glusterfsd');
  host.texts.set('/proc/net/if_inet6', addresses6);
  return host.file('/dev/fuse', { kind: 'device' });
}

/** All of them, at hand. */
export const drivers = Object.fromEntries(
  await Promise.all(kindNames.map(async (kind) => [kind, await driverFor(kind)] as const)),
) as Readonly<Record<FilesystemKind, FilesystemDriver>>;

/** What `planMount` promises. */
export function planOf(request: MountRequest, settings: NodeSettings = manifest): MountPlan {
  const filesystem = filesystemOf(request.fstype, settings);
  return planWith(drivers[filesystem.kind], filesystem, request, settings);
}

export function planFor(...argv: readonly string[]): MountPlan {
  return planOf(toMountRequest(parseMountArguments(argv)));
}

export function contextOf(host: HostModel): RunContext {
  return { host, layout, manifest, report: () => {}, isInterrupted: () => host.isInterrupted };
}

/** The program of a command, however the rootfs was entered for it. */
export function programOf(argv: readonly string[]): string {
  const entered = { '/usr/bin/chroot': 2, '/usr/bin/nsenter': 3, apart: 1 }[argv[0] ?? ''] ?? 0;
  return argv[entered] ?? '';
}

/** A command of the mount helpers'. */
export const isHelper = (argv: readonly string[]): boolean => programOf(argv).startsWith('/sbin/mount.');

/** The same node, on which umount2(2) by a descriptor fails so often, and then no more. */
export function refusing(host: HostModel, refusals: number): HostModel {
  const { detachFrom } = host;
  let left = refusals;
  host.detachFrom = (file) => {
    left -= 1;
    if (left < 0) return detachFrom(file);
    throw Object.assign(new Error('EBUSY: device or resource busy, umount2'), {
      code: 'EBUSY',
      syscall: 'umount2',
    });
  };
  return host;
}
