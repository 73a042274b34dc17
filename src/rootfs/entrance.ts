import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host, RootfsEntrance } from '../host/host.ts';
import { type MountEntry, mountAt } from '../host/mountinfo.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { isShared } from '../manifest/shared-mounts.ts';
import type { Layout } from '../node/layout.ts';

/** A symlink in a version's directory. It leads to the directory in which the version's mount namespaces are pinned. */
export const namespacesLink = '.mounter-namespaces';

/**
 * A mount namespace of the rootfs, by what is seen of the host in it.
 * - `services`: what rpcbind and rpc.statd need, and a person at `mounter exec`: /proc, /run, their state.
 * - `helpers`: nothing but a few devices and the directory of logs. Each mount is made in a copy of it.
 */
export type View = 'services' | 'helpers';

/**
 * How the rootfs is entered: by the mount namespace that `prepare` has given it, else by chroot(2). A changed manifest
 * counts from the next `prepare` on.
 * @param rootfs a version, or the symlink to the one in use: the entrance is that of the version it leads to now.
 */
export function rootfsEntrance(rootfs: string, host: Host): RootfsEntrance {
  const directory = versionOf(rootfs, host);
  const pin = pinOfView('services', directory, host);
  return pin === undefined ? { kind: 'chroot', directory } : { kind: 'namespace', file: pin };
}

/** The pin of the namespace that mounts are made in; undefined where the rootfs is entered by chroot(2). */
export function helpersPin(rootfs: string, host: Host): string | undefined {
  return pinOfView('helpers', versionOf(rootfs, host), host);
}

function pinOfView(view: View, directory: string, host: Host): string | undefined {
  const pins = host.readLink(`${directory}/${namespacesLink}`);
  return pins === undefined ? undefined : seenFromHere(`${pins}/${view}`, host);
}

/** A copy of the host's mount namespace has no pins in it: a kubelet in a container sees them through process 1. */
function seenFromHere(pin: string, host: Host): string {
  if (isPinned(host, pin)) return pin;
  const onHost = `/proc/1/root${pin}`;
  try {
    return isPinned(host, onHost) ? onHost : pin;
  } catch {
    return pin; // Only root may look there.
  }
}

function versionOf(rootfs: string, host: Host): string {
  const link = host.readLink(rootfs) ?? rootfs;
  return link.startsWith('/') ? link : `${rootfs.slice(0, rootfs.lastIndexOf('/'))}/${link}`;
}

/** The `enter` of the manifest (`namespace` is an older name of `attach`); `chroot` where the kernel cannot attach. */
export function wantedEnter({ enter }: Pick<Manifest, 'enter'>, host: Host): 'attach' | 'chroot' {
  return enter === 'chroot' || !hasMoveMount(host) ? 'chroot' : 'attach';
}

/** open_tree(2) and move_mount(2) need Linux 5.2: by the kernel's version, not by what it allows us. */
export function hasMoveMount(host: Host): boolean {
  const release = host.readText('/proc/sys/kernel/osrelease') ?? '';
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  return major > 5 || (major === 5 && minor >= 2);
}

/** How the rootfs in `directory` is entered once `prepare` has run. */
export function wantedEntrance(
  directory: string,
  manifest: Pick<Manifest, 'enter'>,
  host: Host,
): RootfsEntrance {
  return wantedEnter(manifest, host) === 'chroot'
    ? { kind: 'chroot', directory }
    : { kind: 'namespace', file: `${directory}/${namespacesLink}/services` };
}

/**
 * How mounts are made in a version now. The next `prepare` changes it where the manifest wants the other.
 * @param root `versions/<digest>`, without symlinks.
 * @returns undefined where the version is not prepared: not yet, or not since the last boot.
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

/** The error for a mount on a node whose namespaces are not pinned: since a reboot, say. */
export function notPrepared(subject: string): MounterError {
  return new MounterError('the rootfs has no mount namespace to enter: the node is not prepared', {
    subject,
    status: exitCode.system,
    hint: 'run mounter prepare',
  });
}

/** The next action where something is missing in the rootfs. */
export const installAgain =
  'run mounter install SOURCE again, with the SOURCE that mounter versions shows, where no node agent does so by itself';

/** @throws MounterError (system) when `rootfs` leads to no directory. */
export function requireRootfs(host: Host, layout: Layout): void {
  if (host.stat(layout.rootfs)?.kind === 'directory') return;
  throw new MounterError('no rootfs is installed', {
    subject: layout.rootfs,
    status: exitCode.system,
    hint: 'run mounter install SOURCE, then mounter prepare',
  });
}

/** Whether a call can enter: a mount namespace is pinned from `prepare` to the next reboot or `teardown`. */
export function isEnterable(host: Host, entry: RootfsEntrance): boolean {
  if (entry.kind === 'chroot') return host.stat(entry.directory)?.kind === 'directory';
  return isPinned(host, entry.file);
}

/** Whether a mount namespace is pinned on `file`: all namespaces are files of one filesystem. @throws as `Host.stat`. */
export function isPinned(host: Host, file: string): boolean {
  const pinned = host.stat(file);
  return pinned !== undefined && pinned.device === host.stat('/proc/self/ns/mnt')?.device;
}
