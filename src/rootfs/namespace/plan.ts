import { type MountEntry, mountAt } from '../../host/mountinfo.ts';
import { type MountAction, remountOptions } from '../mount-actions.ts';
import { containingMount } from '../mount-tree.ts';
import { mountActions, type ObservedMount } from '../mounts.ts';

/** What is mounted for and in a mount namespace of the rootfs, decided from what is mounted on the host: pure. */

/**
 * The rootfs as a mount of its own, whose parent is not shared: pivot_root(2) wants that, and nothing that is
 * mounted in it spreads. Executable, wherever it lies.
 */
export function planNamespaceRoot(root: string, entries: readonly MountEntry[]): readonly MountAction[] {
  const { mountPoint, mountOptions } = containingMount(entries, root);
  const actions: MountAction[] = [
    { kind: 'propagation', to: mountPoint, propagation: 'private' },
    { kind: 'bind', from: root, to: root, isRecursive: false, propagation: 'private' },
  ];
  if (mountOptions.includes('noexec'))
    actions.push({ kind: 'remount', to: root, options: remountOptions(mountOptions, 'exec', 'noexec') });
  return actions;
}

/**
 * One mount of the manifest. In what is shared with the host no symlink is followed: no-symlinks.ts says why.
 * @param entries of the host.
 */
export function planMountPoint(
  observed: ObservedMount,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  const actions = mountActions(observed, entries);
  const { mount, source, target } = observed;
  if (mount.propagation !== 'shared' || source === undefined) return actions;
  const { mountOptions } = containingMount(entries, source);
  const kept = mount.access === 'ro' ? [...mountOptions, 'ro'] : mountOptions;
  return [...actions, { kind: 'remount', to: target, options: remountOptions(kept, 'nosymfollow') }];
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
