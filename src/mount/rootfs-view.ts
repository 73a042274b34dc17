import { isSameFile, type RootfsEntry } from '../host/host.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import { rootfsEntry } from '../rootfs/enter.ts';
import type { MountContext } from './context.ts';
import { parentOf } from './target.ts';

/**
 * What is mounted as the helper sees it, and unmounting there: for a call that failed. A rootfs that is
 * entered by chroot(2) has its mounts on the host; one with a mount namespace is asked within that.
 */

/** Whether `path` is a mount point in the rootfs. */
export function isMountPointInRootfs(path: string, context: MountContext): Promise<boolean> {
  const { host } = context;
  return ask(context, (root) => {
    const mountId = host.mountId(root + path);
    return mountId !== undefined && mountId !== host.mountId(root + parentOf(path));
  });
}

/**
 * Whether the directory that holds the target is the same in the rootfs as on the host. The target itself may be
 * a volume whose server is silent.
 */
export function seesSameDirectory(target: string, context: MountContext): Promise<boolean> {
  const { host } = context;
  const parent = parentOf(target);
  const own = host.lstat(parent);
  return ask(context, (root) => isSameFile(own, host.lstat(root + parent)));
}

/** A mount in a rootfs, as the mount table has it that it stands in. */
export interface RootfsMount {
  readonly entry: MountEntry;
  /** Its mount point as the helper sees it. */
  readonly place: string;
}

/** What is mounted in the version in use, or in any other that is entered by chroot(2). */
export async function mountsInRootfs(context: MountContext): Promise<readonly RootfsMount[]> {
  const { host, layout } = context;
  const namespace = namespaceOf(context);
  if (namespace === undefined)
    return readMountinfo(host).flatMap((entry) => {
      const place = placeInRootfs(entry.mountPoint, layout);
      return place === undefined ? [] : [{ entry, place }];
    });
  const entries = await host.withinNamespace(namespace, () => readMountinfo(host));
  return entries.map((entry) => ({ entry, place: entry.mountPoint }));
}

/** The path as the helper sees it: what follows `versions/<digest>`. */
function placeInRootfs(path: string, layout: MountContext['layout']): string | undefined {
  if (path.startsWith(`${layout.rootfs}/`)) return path.slice(layout.rootfs.length);
  if (!path.startsWith(`${layout.versions}/`)) return undefined;
  const slash = path.indexOf('/', layout.versions.length + 1);
  return slash < 0 ? undefined : path.slice(slash);
}

/** @param path as the helper sees it. A mount that it shares with the host goes there as well. */
export function unmountInRootfs(path: string, context: MountContext): Promise<void> {
  const entry = entryOf(context);
  return entry.kind === 'chroot'
    ? unmount(entry.directory + path, undefined, context)
    : unmount(path, entry.file, context);
}

export function unmountMount({ entry }: RootfsMount, context: MountContext): Promise<void> {
  return unmount(entry.mountPoint, namespaceOf(context), context);
}

/**
 * umount(8), and where that fails or hangs a lazy one: the directory is free at once.
 * @param namespace where `path` is, if not on the host.
 */
export async function unmount(
  path: string,
  namespace: string | undefined,
  { host, manifest }: MountContext,
): Promise<void> {
  const terminateMs = manifest.limits.terminateSeconds * 1000;
  const inside = namespace === undefined ? undefined : { kind: 'namespace' as const, file: namespace };
  // In there without the filesystem's own helper, which would ask the server.
  const umount = inside === undefined ? [host.findProgram('umount')] : ['umount', '-i'];
  const command = { inside, deadlineMs: 5000, terminateMs };
  const outcome = await host.run({ ...command, argv: [...umount, '--no-canonicalize', path] });
  if (outcome.status === 0) return;
  await host.run({ ...command, argv: [...umount, '--no-canonicalize', '-l', path] });
}

/** @param look gets what a path of the rootfs has before it. */
function ask<T>(context: MountContext, look: (root: string) => T): Promise<T> {
  const entry = entryOf(context);
  if (entry.kind === 'chroot') return Promise.resolve(look(entry.directory));
  return context.host.withinNamespace(entry.file, () => look(''));
}

function entryOf({ host, layout }: MountContext): RootfsEntry {
  return rootfsEntry(layout.rootfs, host);
}

function namespaceOf(context: MountContext): string | undefined {
  const entry = entryOf(context);
  return entry.kind === 'namespace' ? entry.file : undefined;
}
