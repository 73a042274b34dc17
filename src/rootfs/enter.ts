import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host, RootfsEntry } from '../host/host.ts';
import type { Layout } from './layout.ts';
import type { Manifest } from './manifest.ts';

/** In a version's directory, the symlink to what pins its mount namespace. */
export const namespaceLink = '.mounter-namespace';

/**
 * The way into the rootfs: by the mount namespace that `prepare` has given it, else by chroot(2). Not as the
 * manifest has it: what a version is prepared for changes together with the version, and a changed manifest with
 * the next `prepare`, at one rename.
 * @param rootfs a version, or the symlink to the one in use: the way leads into the version of now, and stays
 *   usable for a moment when another one takes its place.
 */
export function rootfsEntry(rootfs: string, host: Host): RootfsEntry {
  const directory = versionOf(rootfs, host);
  const pin = host.readLink(`${directory}/${namespaceLink}`);
  return pin === undefined
    ? { kind: 'chroot', directory }
    : { kind: 'namespace', file: seenFromHere(pin, host) };
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

/** The way into the rootfs in `directory` that `prepare` is to make, as `enter` of the manifest has it. */
export function wantedEntry(directory: string, { enter }: Pick<Manifest, 'enter'>): RootfsEntry {
  switch (enter) {
    case 'chroot':
      return { kind: 'chroot', directory };
    case 'namespace':
      return { kind: 'namespace', file: `${directory}/${namespaceLink}` };
    default:
      return enter satisfies never;
  }
}

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
export function isEnterable(host: Host, entry: RootfsEntry): boolean {
  if (entry.kind === 'chroot') return host.stat(entry.directory)?.kind === 'directory';
  return isPinned(host, entry.file);
}

export function isPinned(host: Host, file: string): boolean {
  const pinned = host.stat(file);
  return pinned !== undefined && pinned.device === host.stat('/proc/self/ns/mnt')?.device;
}
