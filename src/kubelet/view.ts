import { existsSync, realpathSync, statSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import { containingMount } from '../host/mount-tree.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import { resolveInRoot } from '../host/path-in-root.ts';
import { remountOptions } from '../prepare/mount-actions.ts';
import { kubeletViewDirectory } from '../rootfs/kubelet-chroot.ts';
import { isAtOrBelow } from '../rootfs/root-processes.ts';
import { type HostMount, kubeletDirectory, missingPath, type Offer, offeredMounts } from './offer.ts';
import { type ProgramDirectory, programDirectories } from './program-directories.ts';

/**
 * What a kubelet in an image sees: the host's root directory, so that whatever it looks up or makes is the host's, but
 * for the image's programs. It is made in a mount namespace of the kubelet's own; on the host nothing is mounted.
 */
export interface KubeletView {
  readonly image: string;
  /** Options for a `remount,bind` of the image, where it is mounted noexec; undefined elsewhere. */
  readonly executableOptions: string | undefined;
  readonly programs: readonly ProgramDirectory[];
  /** Top-level directories of the host that programs are laid in: seen whole below `hostView`. */
  readonly hostDirectories: readonly string[];
  /** The image's cache for the loader, in the place of the host's; '' for none, undefined where the host has none. */
  readonly loaderCache: string | undefined;
  /** What else is mounted in the view; the kubelet directory is the first. */
  readonly mounts: readonly ViewMount[];
  /** Mounts of the manifest that are left out, and why: a line each. */
  readonly skipped: readonly string[];
}

export interface ViewMount extends Pick<HostMount, 'type' | 'propagation'> {
  /** On the host, without symlinks. */
  readonly from: string;
  /** On the host, without symlinks. What is mounted there is taken away first. */
  readonly to: string;
  /** Options for a `remount,bind`, where it is to be read-only. */
  readonly readOnlyOptions: string | undefined;
}

/** Programs are laid over some directories of the host; below this path those are seen as they are. */
export const hostView = `${kubeletViewDirectory}/host`;

export const loaderCacheFile = '/etc/ld.so.cache';

/**
 * @param searchPath the image's PATH, or ''.
 * @throws MounterError (system) where something is missing on the host; nothing has been changed then.
 */
export function planView(offer: Offer, searchPath: string, host: Host): KubeletView {
  const { root: image } = offer;
  const entries = readMountinfo(host);
  const skipped: string[] = [];
  const found = offeredMounts(offer).filter((mount) => isThere(mount, skipped));
  const kubelet = kubeletDirectory(offer);
  const hostPaths = found.filter(isHostsOwn).map((mount) => realpathSync(mount.host));
  const programs = programDirectories({ image, searchPath, hostView, hostPaths, host: '' });
  const tops = programs.map(({ path }) => `/${path.split('/')[1]}`);
  const { mountOptions } = containingMount(entries, image);
  return {
    image,
    executableOptions: mountOptions.includes('noexec')
      ? remountOptions(mountOptions, 'exec', 'noexec')
      : undefined,
    programs,
    hostDirectories: [...new Set(tops)],
    loaderCache: existsSync(loaderCacheFile) ? cacheOf(image) : undefined,
    mounts: found
      .filter((mount) => !isHostsOwn(mount))
      .map((mount) => viewMount(mount, { image, kubelet, entries })),
    skipped,
  };
}

function cacheOf(image: string): string {
  const path = resolveInRoot(image, loaderCacheFile);
  return path === undefined ? '' : image + path;
}

/** Whether the kubelet sees the host's own at that path in any case. */
function isHostsOwn({ host, rootfs, access, propagation }: HostMount): boolean {
  const isInPlace = existsSync(rootfs) && realpathSync(rootfs) === realpathSync(host);
  return isInPlace && access === 'rw' && propagation !== 'shared';
}

function isThere(mount: HostMount, skipped: string[]): boolean {
  const missing = [mount.host, mount.rootfs].find((path) => !existsSync(path));
  if (missing === undefined) return true;
  if (!mount.optional) throw missingPath(missing);
  skipped.push(`${missing}: left out: this host has none`);
  return false;
}

function viewMount(
  mount: HostMount,
  { image, kubelet, entries }: { image: string; kubelet: string; entries: readonly MountEntry[] },
): ViewMount {
  const [from, to] = [realpathSync(mount.host), realpathSync(mount.rootfs)];
  if (statSync(from).isDirectory() !== statSync(to).isDirectory())
    throw refusal(mount, `${mount.rootfs} is of another kind: one is a directory, the other none`);
  const hidden = [kubelet, image, kubeletViewDirectory].find(
    (path) => path !== from && isAtOrBelow(path, to),
  );
  if (hidden !== undefined) throw refusal(mount, `would hide ${hidden} from the kubelet`, hidingHint);
  const { mountOptions, peerGroup } = containingMount(entries, from);
  if (mount.propagation === 'shared' && from !== kubelet && peerGroup === undefined)
    throw refusal(mount, 'is not shared on this host, and cannot be offered so', shareHint);
  const { type, propagation, access } = mount;
  const readOnlyOptions = access === 'ro' ? remountOptions(mountOptions, 'ro') : undefined;
  return { from, to, type, propagation, readOnlyOptions };
}

const hidingHint = 'choose another directory, or change mounts.kubelet in node-settings.json';
const shareHint =
  'run mount --make-rshared /, as systemd does at boot, or ask for slave: leave :shared out of --host-root, or change mounts.kubelet in node-settings.json';

function refusal({ host }: HostMount, message: string, hint?: string): MounterError {
  return new MounterError(message, {
    subject: host,
    status: exitCode.system,
    hint: hint ?? 'change mounts.kubelet in node-settings.json',
  });
}
