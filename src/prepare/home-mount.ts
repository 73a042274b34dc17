import { containingMount, isCovered, isInside, isPrivate, isSelfBind } from '../host/mount-tree.ts';
import { type MountEntry, mountsBelow } from '../host/mountinfo.ts';
import { detachActions, type MountAction, remountOptions } from './mount-actions.ts';

/**
 * MOUNTER_HOME as a private mount of its own: what is mounted below it is then copied nowhere, and one
 * umount takes all of it away. Executable, where the filesystem it is on is mounted noexec.
 */
export function planHome(home: string, all: readonly MountEntry[]): readonly MountAction[] {
  const entries = withoutHidden(home, all);
  const layers = entries.filter(({ mountPoint }) => mountPoint === home);
  if (!isOrderly(home, layers, entries)) {
    const foreign = entries.filter((entry) => !(layers.includes(entry) && isSelfBind(entry, entries)));
    return [...planHomeRemoval(home, entries), ...layHome(home, foreign)];
  }
  return layHome(home, entries);
}

/** Leaves out copies of home that no path leads to: a bind makes one on the mount that it covers, as a peer of that. */
function withoutHidden(home: string, entries: readonly MountEntry[]): readonly MountEntry[] {
  return entries.filter((entry) => entry.mountPoint !== home || !isCovered(entry, entries));
}

/**
 * False when a mount of ours cannot be reached: home was bound on itself once more (the original mounter does
 * that at each start of the node), or was no mount point when something was mounted in a rootfs.
 */
function isOrderly(home: string, layers: readonly MountEntry[], entries: readonly MountEntry[]): boolean {
  if (layers.filter((layer) => isSelfBind(layer, entries)).length > 1) return false;
  const top = layers.at(-1);
  return top === undefined
    ? ours(home, entries).length === 0
    : ours(home, entries).every(isInside([top], entries));
}

/**
 * What home has to be for a rootfs that is entered by a mount namespace: nothing is mounted in home then, so that it
 * has to be a mount only where nothing in it could be run.
 */
export function planExecutableHome(home: string, entries: readonly MountEntry[]): readonly MountAction[] {
  return isNoexec(home, entries) ? planHome(home, entries) : [];
}

/** Whether the filesystem that home lies on is mounted noexec, whatever our own bind changes. */
function isNoexec(home: string, entries: readonly MountEntry[]): boolean {
  const foreign = entries.filter((entry) => entry.mountPoint !== home || !isSelfBind(entry, entries));
  return containingMount(foreign, home).mountOptions.includes('noexec');
}

function layHome(home: string, entries: readonly MountEntry[]): readonly MountAction[] {
  const entry = entries.findLast(({ mountPoint }) => mountPoint === home);
  const options = (entry ?? containingMount(entries, home)).mountOptions;
  const actions: MountAction[] = [];
  if (entry === undefined) actions.push(...bindActions(home, entries));
  else if (!isPrivate(entry)) actions.push({ kind: 'propagation', to: home, propagation: 'private' });
  if (options.includes('noexec'))
    actions.push({ kind: 'remount', to: home, options: remountOptions(options, 'exec', 'noexec') });
  return actions;
}

/** What is mounted below home stays in sight, such as a disk of its own for the images. */
function bindActions(home: string, entries: readonly MountEntry[]): readonly MountAction[] {
  const own = ours(home, entries);
  if (mountsBelow(entries, home).every((entry) => own.includes(entry)))
    return [{ kind: 'bind', from: home, to: home, isRecursive: false, propagation: 'private' }];
  return [
    { kind: 'bind', from: home, to: home, isRecursive: true, propagation: 'unchanged' },
    { kind: 'propagation', to: home, propagation: 'rprivate' },
  ];
}

/**
 * Takes away every bind of home on itself and all that is mounted in a rootfs. A filesystem that somebody
 * mounted at home stays.
 */
export function planHomeRemoval(home: string, all: readonly MountEntry[]): readonly MountAction[] {
  const entries = withoutHidden(home, all);
  const binds = entries.filter((entry) => entry.mountPoint === home && isSelfBind(entry, entries));
  return removal(home, binds, entries);
}

/** Takes away what a rootfs needs that is entered by chroot(2), and one with a mount namespace does not. */
export function planChrootRemoval(home: string, entries: readonly MountEntry[]): readonly MountAction[] {
  return isNoexec(home, entries) ? removal(home, [], entries) : planHomeRemoval(home, entries);
}

/** @param binds of home that go, with all that is mounted on them. */
function removal(
  home: string,
  binds: readonly MountEntry[],
  entries: readonly MountEntry[],
): readonly MountAction[] {
  const goesAlong = isInside(binds, entries);
  const left = ours(home, entries).filter((entry) => !goesAlong(entry));
  const ids = new Set(left.map(({ mountId }) => mountId));
  const tops = new Set(left.filter(({ parentId }) => !ids.has(parentId)).map(({ mountPoint }) => mountPoint));
  const layers = left.filter(({ mountPoint }) => tops.has(mountPoint));
  return [...binds, ...layers.reverse()].flatMap(({ mountPoint }) => detachActions(mountPoint));
}

/** All mounts in any version of the rootfs. */
function ours(home: string, entries: readonly MountEntry[]): readonly MountEntry[] {
  return mountsBelow(entries, `${home}/versions`);
}
