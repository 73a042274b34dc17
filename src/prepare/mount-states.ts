import { type FileStatus, type Host, isSameFile } from '../host/host.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import { isErrnoException } from '../host/system-error.ts';
import type { ManifestMount } from '../manifest/manifest.ts';
import type { NodeContext } from '../node/node.ts';
import { isPinned, wantedEntrance } from '../rootfs/entrance.ts';
import { observe, sourceOf } from './mount-points.ts';
import { type MountState, type ObservedMount, stateOf } from './mounts.ts';

/** The mounts of the manifest as a version has them, on the host or in a mount namespace of its own. */
export interface RootfsMounts {
  /** In the order in which they were asked for; `target` is a mount point of `entries`. */
  readonly observed: readonly ObservedMount[];
  /** The mounts in the namespace of its services; undefined where the caller is not root, who alone can look there. */
  readonly entries: readonly MountEntry[] | undefined;
  /** The mounts of the host. */
  readonly hostEntries: readonly MountEntry[];
}

/**
 * @param root `versions/<digest>`, without symlinks.
 * @param mounts that the rootfs has where it is entered for services; with chroot(2) that is all of them.
 * @param pin a mount namespace that the version's link does not lead to yet.
 */
export async function observeRootfs(
  root: string,
  mounts: readonly ManifestMount[],
  { host, manifest }: Pick<NodeContext, 'host' | 'manifest'>,
  pin?: string,
): Promise<RootfsMounts> {
  const hostEntries = readMountinfo(host);
  const entry = wantedEntrance(root, manifest, host);
  if (entry.kind === 'chroot')
    return { observed: mounts.map((mount) => observe(mount, root, host)), entries: hostEntries, hostEntries };
  const file = pin ?? entry.file;
  const seen = isPinned(host, file) ? await lookWithin(file, mounts, host) : nothing;
  // The namespace may be of another version, or of this one before it was removed and installed again.
  const isOurs = isSameFile(seen.root, host.stat(root));
  const observed = mounts.map((mount): ObservedMount => {
    const source = sourceOf(mount);
    const status = source === undefined ? undefined : host.stat(source);
    return {
      mount,
      source,
      target: mount.rootfs,
      isSame: isOurs && isSameFile(status, seen.statuses.get(mount.rootfs)),
    };
  });
  return { observed, entries: isOurs || seen.entries === undefined ? seen.entries : [], hostEntries };
}

interface Seen {
  readonly root: FileStatus | undefined;
  readonly statuses: ReadonlyMap<string, FileStatus | undefined>;
  readonly entries: readonly MountEntry[] | undefined;
}

const nothing: Seen = { root: undefined, statuses: new Map(), entries: [] };

async function lookWithin(file: string, mounts: readonly ManifestMount[], host: Host): Promise<Seen> {
  if (host.effectiveUserId() !== 0) return { ...nothing, entries: undefined };
  try {
    const { withinNamespace } = await import('../host/mount-namespace.ts');
    return withinNamespace(file, () => look(mounts, host));
  } catch (error) {
    if (isErrnoException(error)) return nothing; // Unpinned meanwhile, or it pins something else.
    throw error;
  }
}

function look(mounts: readonly ManifestMount[], host: Host): Seen {
  return {
    root: host.stat('/'),
    statuses: new Map(mounts.map(({ rootfs }) => [rootfs, host.stat(rootfs)])),
    entries: readMountinfo(host),
  };
}

/** @returns a state for each of `observed`, in its order. */
export function statesOf({ observed, entries, hostEntries }: RootfsMounts): readonly SeenState[] {
  return observed.map((one) => (entries === undefined ? 'unknown' : stateOf(one, entries, hostEntries)));
}

/** `unknown` where the caller may not look. */
export type SeenState = MountState | 'unknown';

/** Whether a version has all of these mounts, as the manifest has them, as far as the caller may see. */
export async function isInPlace(
  root: string,
  mounts: readonly ManifestMount[],
  context: Pick<NodeContext, 'host' | 'manifest'>,
  pin?: string,
): Promise<boolean> {
  return statesOf(await observeRootfs(root, mounts, context, pin)).every(
    (state) => state === 'ok' || state === 'unknown',
  );
}
