import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { containingMount, mountsOn } from '../host/mount-tree.ts';
import { type MountEntry, mountAt, mountsBelow } from '../host/mountinfo.ts';
import type { SharedDirectory } from '../manifest/shared-mounts.ts';
import { isWithinVolume } from '../node/within-volume.ts';
import { detachActions, type MountAction } from './mount-actions.ts';
import { mountsAboveVolumes } from './mounts.ts';

/**
 * The kubelet directory as a shared mount with a peer group of its own, so that a volume propagates to the
 * rootfs and nowhere else. A bind of a directory on a shared `/` would join the peer group of `/` and every
 * volume would be mounted there once more: hence private first, then shared.
 *
 * A peer group is left as it is while volumes are mounted in it: what takes the directory out of it hides
 * their copies, or leaves them behind, and nothing unmounts those ever after. It costs an entry per volume,
 * until a prepare without volumes.
 * @throws MounterError (system) when it cannot be shared without hiding a volume.
 */
export function planShared(
  directory: SharedDirectory,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  const layers = entries.filter(({ mountPoint }) => mountPoint === directory.host);
  const surplus = layers.filter((layer, index) => isCopy(layer, layers[index - 1], entries));
  const unstack = surplus.flatMap(() => detachActions(directory.host));
  const kept = entries.filter((entry) => !surplus.includes(entry));
  const entry = mountAt(kept, directory.host);
  return [
    ...unstack,
    ...(entry === undefined ? planBind(directory, kept) : planGroup(directory, entry, kept)),
  ];
}

/**
 * Whether `layer` only repeats the mount under it. A bind in the rootfs, done twice, does this to the host's
 * directory too, and doubles every volume. Those of `under` must be all there: it is what remains.
 */
export function isCopy(
  layer: MountEntry,
  under: MountEntry | undefined,
  entries: readonly MountEntry[],
): boolean {
  if (under === undefined || layer.parentId !== under.mountId) return false;
  if (layer.peerGroup === undefined || layer.peerGroup !== under.peerGroup || layer.root !== under.root)
    return false;
  const volumesOn = ({ mountId }: MountEntry) =>
    entries.filter(({ parentId, mountPoint }) => parentId === mountId && mountPoint !== layer.mountPoint);
  const present = new Set(volumesOn(under).map(({ mountPoint, device }) => `${device} ${mountPoint}`));
  return volumesOn(layer).every(({ mountPoint, device }) => present.has(`${device} ${mountPoint}`));
}

/** For a directory that is a mount point. */
function planGroup(
  directory: SharedDirectory,
  entry: MountEntry,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  // Together with all mounts below it, as kubelet does: see `privateHolder`.
  const share: MountAction = { kind: 'propagation', to: directory.host, propagation: 'rshared' };
  if (entry.peerGroup === undefined || privateHolder(directory, entries) !== undefined) return [share];
  if (strangerIn(entry, directory, entries) === undefined || mountsOn(entry, entries).length > 0) return [];
  return [{ kind: 'propagation', to: directory.host, propagation: 'private' }, share];
}

/** For a directory that is no mount point: its volumes, if any, are on the mount that holds it. */
function planBind(directory: SharedDirectory, entries: readonly MountEntry[]): readonly MountAction[] {
  const { host } = directory;
  const holder = containingMount(entries, host);
  const isInUse = entries.some(
    (other) => isCounterpart(other, directory) && other.peerGroup === holder.peerGroup,
  );
  const below = mountsBelow(entries, host).length;
  if (below === 0 && !(isInUse && holder.peerGroup !== undefined)) {
    return [
      { kind: 'bind', from: host, to: host, isRecursive: false, propagation: 'private' },
      { kind: 'propagation', to: host, propagation: 'shared' },
    ];
  }
  const unshared = holder.peerGroup === undefined ? holder : privateHolder(directory, entries);
  if (unshared === undefined) return [];
  throw new MounterError(
    `${below === 1 ? '1 mount is' : `${below} mounts are`} below it, and ${unshared.mountPoint}, on which some lie, is not shared`,
    {
      subject: host,
      status: exitCode.system,
      hint: `run mount --make-rshared ${unshared.mountPoint}, or prepare before kubelet starts`,
    },
  );
}

/**
 * Another mount in the peer group of the directory's mount, which therefore gets a copy of each volume. A bind of
 * something within a volume gets none: a container's subPath of an emptyDir, one file of a ConfigMap.
 */
export function strangerIn(
  own: MountEntry,
  directory: SharedDirectory,
  entries: readonly MountEntry[],
): MountEntry | undefined {
  const above = own.root === '/' ? '/' : `${own.root}/`;
  const showsVolumes = ({ root }: MountEntry) =>
    !root.startsWith(above) || !isWithinVolume(`${root.slice(above.length)}/.`);
  return entries.find(
    (other) =>
      other.peerGroup === own.peerGroup &&
      other !== own &&
      !isCounterpart(other, directory) &&
      showsVolumes(other),
  );
}

/**
 * A mount below the directory that is not shared, and has others on it: the rootfs has copies of them, which would
 * stay when kubelet unmounts its own, and keep the volume. Or is to have some, which would not appear on the host.
 */
function privateHolder({ host }: SharedDirectory, entries: readonly MountEntry[]): MountEntry | undefined {
  const below = mountsBelow(entries, host);
  const parents = new Set(below.map(({ parentId }) => parentId));
  const above = mountsAboveVolumes(host, entries);
  return below.find(
    (entry) => entry.peerGroup === undefined && (parents.has(entry.mountId) || above.includes(entry)),
  );
}

/** Whether the mount is the same directory in a rootfs. */
export function isCounterpart(entry: MountEntry, { host, rootfs }: SharedDirectory): boolean {
  return entry.mountPoint !== host && (entry.mountPoint.endsWith(rootfs) || entry.mountPoint.endsWith(host));
}
