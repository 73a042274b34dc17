import { containingMount } from '../../host/mount-tree.ts';
import { type MountEntry, mountAt } from '../../host/mountinfo.ts';
import { type MountAction, remountOptions } from '../mount-actions.ts';

/** What a mount namespace of the rootfs needs, decided from what is mounted on the host; nothing is mounted here. */

/** The rootfs as a mount of its own, executable, wherever it lies. */
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
