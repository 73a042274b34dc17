import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { type MountEntry, mountsBelow } from '../host/mountinfo.ts';
import { detachActions, type MountAction, remountOptions } from '../rootfs/mount-actions.ts';
import { containingMount, isInside, isPrivate, isSelfBind } from '../rootfs/mount-tree.ts';
import { type ObservedMount, planRootfsMount } from '../rootfs/mounts.ts';
import { planShared, type SharedDirectory } from '../rootfs/shared-mount.ts';

/**
 * What `mounter kubelet` mounts, decided from what is mounted: pure, so that a restart finds nothing to do.
 */

export interface RootState {
  /** The extracted image, without symlinks. */
  readonly root: string;
  readonly shared: SharedDirectory;
  /** The kubelet directory first. */
  readonly observed: readonly ObservedMount[];
  /** Mounted by an earlier run, as the host names it. */
  readonly earlier: readonly string[];
  /** MOUNTER_HOME/versions, without symlinks. */
  readonly versions: string;
}

/** Nothing when all is in place. What is made by these actions may make others necessary: ask again then. */
export function planKubeletRoot(state: RootState, entries: readonly MountEntry[]): readonly MountAction[] {
  const { root, shared, observed } = state;
  const own = planRoot(root, entries);
  const isNew = own.some(({ kind }) => kind === 'bind');
  const seen = isNew ? mountsOutside(root, entries) : mountsSeen(root, entries);
  const sharing = planShared(shared, seen);
  // What is taken away on one side of a peer group is gone on the other, too: look again then.
  if ([...own, ...sharing].some(({ kind }) => kind === 'detach')) return [...own, ...sharing];
  return [
    ...own,
    ...sharing,
    ...planEarlier(state, seen),
    ...observed.flatMap((mount) => [...planRootfsMount(mount, seen), ...planSlaves(mount, seen)]),
    ...planHostRoot(state, seen),
  ];
}

/**
 * The image as a mount of its own: private, so that nothing in it is mounted elsewhere once more; unbindable,
 * so that no recursive bind of `/`, ours or a container's, takes all of it along; and executable.
 */
function planRoot(root: string, entries: readonly MountEntry[]): readonly MountAction[] {
  const binds = entries.filter((entry) => entry.mountPoint === root && isSelfBind(entry, entries));
  const [bind, ...others] = binds;
  const isTop = entries.findLast(({ mountPoint }) => mountPoint === root) === bind;
  if (bind === undefined) return layRoot(root, undefined, entries);
  if (others.length === 0 && isTop) return layRoot(root, bind, entries);
  const layers = entries.filter(({ mountPoint }) => mountPoint === root);
  const surplus = layers.slice(layers.indexOf(bind));
  const left = entries.filter((entry) => !surplus.includes(entry));
  return [...surplus.flatMap(() => detachActions(root)), ...layRoot(root, undefined, left)];
}

function layRoot(
  root: string,
  bind: MountEntry | undefined,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  const { mountOptions } = bind ?? containingMount(entries, root);
  const actions: MountAction[] = [];
  if (bind === undefined)
    actions.push({ kind: 'bind', from: root, to: root, isRecursive: false, propagation: 'private' });
  if (bind?.isUnbindable !== true || !isPrivate(bind))
    actions.push({ kind: 'propagation', to: root, propagation: 'unbindable' });
  if (mountOptions.includes('noexec'))
    actions.push({ kind: 'remount', to: root, options: remountOptions(mountOptions, 'exec', 'noexec') });
  return actions;
}

function mountsOutside(root: string, entries: readonly MountEntry[]): readonly MountEntry[] {
  const below = mountsBelow(entries, root);
  return entries.filter((entry) => !below.includes(entry));
}

/** Without what is hidden under the bind of the root: it was mounted in the image before. */
function mountsSeen(root: string, entries: readonly MountEntry[]): readonly MountEntry[] {
  const top = entries.findLast(({ mountPoint }) => mountPoint === root);
  const isSeen = top === undefined ? () => false : isInside([top], entries);
  return entries.filter((entry) => !entry.mountPoint.startsWith(`${root}/`) || isSeen(entry));
}

/** What was wanted once, and is no more. */
function planEarlier(
  { observed, earlier }: RootState,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  const wanted = new Set(observed.map(({ target }) => target));
  return earlier
    .filter((target) => !wanted.has(target))
    .flatMap((target) => entries.filter(({ mountPoint }) => mountPoint === target))
    .flatMap(({ mountPoint }) => detachActions(mountPoint));
}

/**
 * A private mount becomes no slave, but what is mounted below it does: killed before that, it would stay a peer
 * of the host's, and nothing at the mount itself tells.
 */
function planSlaves(
  { mount, target }: ObservedMount,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  if (mount.propagation !== 'slave') return [];
  const below = mountsBelow(entries, target);
  const groups = new Set(below.flatMap(({ peerGroup }) => peerGroup ?? []));
  const isPeer = entries.some(
    (entry) => entry.peerGroup !== undefined && groups.has(entry.peerGroup) && !below.includes(entry),
  );
  return isPeer ? [{ kind: 'propagation', to: target, propagation: 'rslave' }] : [];
}

/** The mounter's versions see the kubelet directory too: copies of them would double every volume. */
function planHostRoot(
  { observed, versions }: RootState,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  const hostRoot = observed.find(({ source }) => source === '/');
  if (hostRoot === undefined) return [];
  if (hostRoot.mount.propagation === 'shared' && containingMount(entries, '/').peerGroup === undefined)
    throw notShared();
  const copies = mountsBelow(entries, hostRoot.target + versions);
  const ids = new Set(copies.map(({ mountId }) => mountId));
  return copies
    .filter(({ parentId }) => !ids.has(parentId))
    .reverse()
    .flatMap(({ mountPoint }) => detachActions(mountPoint));
}

function notShared(): MounterError {
  return new MounterError('is not shared on this host, and can not be offered so', {
    subject: '/',
    status: exitCode.system,
    hint: 'run mount --make-rshared /, as systemd does at boot, or leave :shared out of --host-root',
  });
}
