import type { Host, ProcessInformation } from '../host/host.ts';
import { containingMount } from '../host/mount-tree.ts';
import { type MountEntry, mountAt, parseMountinfo, readMountinfo } from '../host/mountinfo.ts';
import { kubeletViewDirectory } from './kubelet-chroot.ts';

/**
 * Which processes run in a rootfs. stat(2) of /proc/PID/root may never return: a container's root directory can lie in
 * a volume whose server is silent. So the kernel is asked where that directory is, in words.
 *
 * In another mount namespace the same name is another directory. There the mount at the root directory tells, by its
 * filesystem and the directory of that which it shows: nobody mounts what they cannot reach. Where no mount begins
 * there, after a chroot(2), the name counts only together with a mount that `prepare` lays in a rootfs and no container
 * gets: a Pod with CAP_SYS_CHROOT could pass for a process of ours otherwise, and hold up `teardown` and `prune`.
 */

/** Directories of the host that a rootfs has under the same path. A container has filesystems of its own there. */
const hostDirectories = ['/dev', '/run', '/proc'];

/**
 * @returns those of `processes` whose root directory is one of `directories` or lies in it, whatever its name there is.
 * @param directories symlinks are followed. Only root sees where other users' processes run.
 */
export function processesIn(
  host: Host,
  directories: readonly string[],
  processes: readonly ProcessInformation[],
): readonly ProcessInformation[] {
  const paths = directories.flatMap((directory) => host.realPath(directory) ?? []);
  const own = host.readLink('/proc/self/ns/mnt');
  const ourMounts = once(() => readMountinfo(host));
  const wanted = once(() => paths.map((path) => placeIn(ourMounts(), path)));
  const isWanted = (place: RootPlace) => wanted().some((one) => isWithin(place, one));
  const isInForeign = remembered((process) => {
    const entries = parseMountinfo(mountsOf(host, process.pid));
    const place = rootPlace(entries);
    if (place !== undefined) return isWanted(place);
    return isNamedIn(process.root, paths) && hasHostDirectory(entries, ourMounts());
  });
  return processes.filter((process) => {
    const { root, mountNamespace } = process;
    if (root === undefined || mountNamespace === undefined) return false;
    if (mountNamespace !== own) return isInForeign(process);
    // Mostly the name says it, and the mounts need not be read; the same directory may be bound elsewhere, though.
    return root !== '/' && (isNamedIn(root, paths) || isWanted(placeIn(ourMounts(), root)));
  });
}

/** Kubelets in images, and what they have started: they have our view, and the host's root directory, as no container. */
export function processesOfViews(
  host: Host,
  processes: readonly ProcessInformation[],
): readonly ProcessInformation[] {
  const own = host.readLink('/proc/self/ns/mnt');
  const ourRoot = once(() => placeIn(readMountinfo(host), '/'));
  const hasView = remembered(({ pid }) => {
    const entries = parseMountinfo(mountsOf(host, pid));
    if (mountAt(entries, kubeletViewDirectory) === undefined) return false;
    const root = rootPlace(entries);
    return root?.device === ourRoot().device && root.path === ourRoot().path;
  });
  return processes.filter(
    (process) => process.mountNamespace !== undefined && process.mountNamespace !== own && hasView(process),
  );
}

function hasHostDirectory(entries: readonly MountEntry[], hostEntries: readonly MountEntry[]): boolean {
  return hostDirectories.some((directory) => {
    const [entry, own] = [mountAt(entries, directory), placeIn(hostEntries, directory)];
    return entry?.device === own.device && entry.root === own.path;
  });
}

/** A directory, whatever it is called. */
export interface RootPlace {
  /** `major:minor` of its filesystem. */
  readonly device: string;
  /** Its path in that. */
  readonly path: string;
}

/** Of a directory that `entries` name, whether it is there or not. */
export function placeIn(entries: readonly MountEntry[], directory: string): RootPlace {
  const { device, root, mountPoint } = containingMount(entries, directory);
  const rest = directory === '/' ? '' : directory.slice(mountPoint === '/' ? 0 : mountPoint.length);
  // A root directory that is a subvolume, or bound, is not the one of its filesystem.
  return { device, path: (root === '/' ? '' : root) + rest || '/' };
}

/**
 * Where the root directory of a process is, as its own mountinfo says, which shows what lies below that directory.
 * @returns undefined where no mount begins there: it has changed its root directory within its namespace.
 */
function rootPlace(entries: readonly MountEntry[]): RootPlace | undefined {
  const entry = mountAt(entries, '/');
  return entry === undefined ? undefined : { device: entry.device, path: entry.root };
}

function mountsOf(host: Host, pid: number): string {
  try {
    return host.readText(`/proc/${pid}/mountinfo`) ?? '';
  } catch {
    return ''; // It has ended while we looked.
  }
}

function isWithin({ device, path }: RootPlace, directory: RootPlace): boolean {
  return device === directory.device && isAtOrBelow(path, directory.path);
}

function isNamedIn(root: string | undefined, directories: readonly string[]): boolean {
  return root !== undefined && directories.some((directory) => isAtOrBelow(root, directory));
}

export function isAtOrBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

function once<T>(get: () => T): () => T {
  let got: { readonly value: T } | undefined;
  return () => {
    got ??= { value: get() };
    return got.value;
  };
}

/** All processes of a container have the same root, and a container may have a thousand mounts. */
function remembered(ask: (process: ProcessInformation) => boolean): (process: ProcessInformation) => boolean {
  const answers = new Map<string, boolean>();
  return (process) => {
    const key = `${process.mountNamespace} ${process.root}`;
    const answer = answers.get(key) ?? ask(process);
    answers.set(key, answer);
    return answer;
  };
}
