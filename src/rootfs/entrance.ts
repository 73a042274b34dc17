import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host, RootfsEntrance } from '../host/host.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { Layout } from '../node/layout.ts';

/** In a version's directory, the symlink to the directory of what pins its mount namespaces. */
export const namespacesLink = '.mounter-namespaces';

/**
 * What is seen of the host in a mount namespace of the rootfs.
 * - `services`: what rpcbind and rpc.statd need, and a person at `mounter exec`: /proc, /run, their state.
 * - `helpers`: nothing but a few devices and the directory of logs. A mount gets a copy of its own.
 */
export type View = 'services' | 'helpers';

/**
 * The way into the rootfs: by the mount namespace that `prepare` has given it, else by chroot(2). Not as the
 * manifest has it: what a version is prepared for changes together with the version, and a changed manifest with
 * the next `prepare`, at one rename.
 * @param rootfs a version, or the symlink to the one in use: the way leads into the version of now, and stays
 *   usable for a moment when another one takes its place.
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

/**
 * What is pinned on the host is pinned in no copy of the host's mount namespace. A kubelet in a container of its
 * own, which shares the kubelet directory and the host's processes, sees it by the host's process 1.
 */
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

/**
 * The way that the manifest wants, where this kernel has it: open_tree(2) and move_mount(2) came with Linux 5.2.
 * `namespace` is what `attach` was called before.
 */
export function wantedEnter({ enter }: Pick<Manifest, 'enter'>, host: Host): 'attach' | 'chroot' {
  return enter === 'chroot' || !hasMoveMount(host) ? 'chroot' : 'attach';
}

/** Whether a mount can be made apart and attached: by the version of the kernel, not by what it allows us. */
export function hasMoveMount(host: Host): boolean {
  const release = host.readText('/proc/sys/kernel/osrelease') ?? '';
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  return major > 5 || (major === 5 && minor >= 2);
}

/** The way into the rootfs in `directory` that `prepare` is to make. */
export function wantedEntrance(
  directory: string,
  manifest: Pick<Manifest, 'enter'>,
  host: Host,
): RootfsEntrance {
  return wantedEnter(manifest, host) === 'chroot'
    ? { kind: 'chroot', directory }
    : { kind: 'namespace', file: `${directory}/${namespacesLink}/services` };
}

/** The error for a mount on a node whose namespaces are not pinned: since a reboot, say. */
export function notPrepared(subject: string): MounterError {
  return new MounterError('the rootfs has no mount namespace to enter: the node is not prepared', {
    subject,
    status: exitCode.system,
    hint: 'run mounter prepare',
  });
}

/** @throws MounterError (system) when `rootfs` leads to no directory. */
export function requireRootfs(host: Host, layout: Layout): void {
  if (host.stat(layout.rootfs)?.kind === 'directory') return;
  throw new MounterError('no rootfs is installed', {
    subject: layout.rootfs,
    status: exitCode.system,
    hint: 'run mounter install SOURCE, then mounter prepare',
  });
}

/**
 * Whether a call can enter. A mount namespace is pinned from `prepare` to the next reboot or `teardown`; the
 * kernel shows all namespaces as files of one filesystem.
 */
export function isEnterable(host: Host, entry: RootfsEntrance): boolean {
  if (entry.kind === 'chroot') return host.stat(entry.directory)?.kind === 'directory';
  return isPinned(host, entry.file);
}

/** Whether a mount namespace is pinned on `file`. @throws as `Host.stat`. */
export function isPinned(host: Host, file: string): boolean {
  const pinned = host.stat(file);
  return pinned !== undefined && pinned.device === host.stat('/proc/self/ns/mnt')?.device;
}
