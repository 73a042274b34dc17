import { containingMount, isPeer, isPrivate } from '../host/mount-tree.ts';
import { type MountEntry, mountAt, mountsBelow } from '../host/mountinfo.ts';
import type { ManifestMount } from '../manifest/manifest.ts';
import { isAboveVolumes } from '../node/within-volume.ts';
import { detachActions, type MountAction, remountOptions } from './mount-actions.ts';

/**
 * What `mounter prepare` mounts in a rootfs. It is decided from what is mounted already, so that a second run finds
 * nothing to do; nothing is mounted here.
 */

/** A manifest mount in the state it was found in. */
export interface ObservedMount {
  readonly mount: ManifestMount;
  /** The host path without symlinks, as mountinfo has it; undefined for a tmpfs. */
  readonly source: string | undefined;
  /** Its mount point by the host's name, which is below `versions/<digest>`. */
  readonly target: string;
  /** The host directory and `target` are the same directory. */
  readonly isSame: boolean;
}

/** Whether a mount of the manifest is there as it should be. */
export type MountState = 'ok' | 'missing' | 'wrong';

/** The actions after which a mount of the manifest is there once, and as the manifest says. */
export function planRootfsMount(
  observed: ObservedMount,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  switch (stateOf(observed, entries)) {
    case 'ok':
      return [];
    case 'missing':
      return mountActions(observed, entries);
    case 'wrong': {
      const layers = entries.filter(({ mountPoint }) => mountPoint === observed.target);
      return [...layers.flatMap(() => detachActions(observed.target)), ...mountActions(observed, entries)];
    }
  }
}

/**
 * @param entries with `target`.
 * @param hostEntries with `source`: another table where the rootfs has a mount namespace of its own.
 */
export function stateOf(
  observed: ObservedMount,
  entries: readonly MountEntry[],
  hostEntries: readonly MountEntry[] = entries,
): MountState {
  const { mount, target, isSame } = observed;
  const stack = entries.filter((entry) => entry.mountPoint === target);
  const entry = stack.at(-1);
  if (entry === undefined) return 'missing';
  if (stack.length > 1) return 'wrong';
  if (mount.type === 'tmpfs') return entry.fstype === 'tmpfs' ? 'ok' : 'wrong';
  if (!isSame || !hasPropagation(observed, entry, hostEntries)) return 'wrong';
  return isReadOnly(entry) === needsReadOnly(observed, hostEntries) ? 'ok' : 'wrong';
}

function isReadOnly(entry: MountEntry): boolean {
  return entry.mountOptions.includes('ro');
}

/** A bind has the flags of the mount it is taken from. */
function needsReadOnly({ mount, source }: ObservedMount, entries: readonly MountEntry[]): boolean {
  return mount.access === 'ro' || (source !== undefined && isReadOnly(containingMount(entries, source)));
}

function hasPropagation(
  { mount, source = '', target }: ObservedMount,
  entry: MountEntry,
  entries: readonly MountEntry[],
): boolean {
  switch (mount.propagation) {
    case 'private':
      return isPrivate(entry);
    case 'slave': {
      // A slave of what receives nothing itself is a private mount: there is nobody to receive from.
      const { peerGroup, master } = containingMount(entries, source);
      return entry.master === (peerGroup ?? master);
    }
    case 'shared':
      return (
        isPeer(entry, containingMount(entries, source)) &&
        mountsAboveVolumes(source, entries).every((one) =>
          isPeer(mountAt(entries, `${target}${one.mountPoint.slice(source.length)}`), one),
        )
      );
    default:
      return mount.propagation satisfies never;
  }
}

/**
 * What is mounted below a shared directory of the host, and has volumes mounted on it: a disk of its own for Pods, say.
 * @param directory without symlinks.
 */
export function mountsAboveVolumes(directory: string, entries: readonly MountEntry[]): readonly MountEntry[] {
  const below = mountsBelow(entries, directory);
  return below.filter(({ mountPoint }) => isAboveVolumes(mountPoint.slice(directory.length + 1)));
}

/** @param entries of the host. */
export function mountActions(
  { mount, source, target }: ObservedMount,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  if (source === undefined) return [{ kind: 'tmpfs', to: target }];
  const isRecursive = mount.type === 'rbind';
  const isPrivateBind = mount.propagation === 'private' && !isRecursive;
  const propagation = isPrivateBind ? 'private' : 'unchanged';
  const actions: MountAction[] = [{ kind: 'bind', from: source, to: target, isRecursive, propagation }];
  if (mount.propagation === 'slave') actions.push({ kind: 'propagation', to: target, propagation: 'rslave' });
  if (mount.propagation === 'private' && isRecursive)
    actions.push({ kind: 'propagation', to: target, propagation: 'rprivate' });
  if (mount.access === 'ro') {
    const { mountOptions } = containingMount(entries, source);
    actions.push({ kind: 'remount', to: target, options: remountOptions(mountOptions, 'ro') });
  }
  return actions;
}

/** Makes the rootfs a mount of its own, executable, wherever it lies: for a mount namespace of its own. */
export function planNamespaceRoot(root: string, entries: readonly MountEntry[]): readonly MountAction[] {
  const { mountOptions } = containingMount(entries, root);
  const actions: MountAction[] = [
    { kind: 'bind', from: root, to: root, isRecursive: false, propagation: 'private' },
  ];
  if (mountOptions.includes('noexec'))
    actions.push({ kind: 'remount', to: root, options: remountOptions(mountOptions, 'exec', 'noexec') });
  return actions;
}

/**
 * A namespace can be pinned on a private mount alone: elsewhere the kernel would copy what it pins. Unbindable, so
 * that no copy of /run has the pins (a kubelet's image has one): it would keep them from ever being taken away.
 */
export function planPins(directory: string, entries: readonly MountEntry[]): readonly MountAction[] {
  const entry = mountAt(entries, directory);
  const unbindable: MountAction = { kind: 'propagation', to: directory, propagation: 'unbindable' };
  if (entry?.isUnbindable) return [];
  if (entry !== undefined) return [unbindable];
  return [
    { kind: 'bind', from: directory, to: directory, isRecursive: false, propagation: 'private' },
    unbindable,
  ];
}
