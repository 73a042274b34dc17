import { isSameFile } from '../host/host.ts';
import type { MountContext } from './context.ts';
import type { MountPlan } from './plan.ts';
import { mountsInRootfs, type RootfsMount } from './rootfs-view.ts';
import { isSourceOf, type TargetState, walkTo } from './target.ts';

/**
 * A mount that went elsewhere because somebody moved directories while the helper ran. What stands against
 * that, in this order:
 *
 * 1. Every directory on the way is root's alone, and the target is not within a volume (target.ts): no
 *    container can change the way.
 * 2. The rootfs sees the kubelet directory through a mount with `nosymfollow` (`prepare`): the kernel follows
 *    no symlink there for a helper, whenever it is swapped in. A helper that reads a symlink itself (mount.nfs,
 *    by realpath(3)) still goes where it leads.
 * 3. After the helper the way is walked again: the same directories, and a new mount at their end.
 *    Otherwise what came to the rootfs instead is looked for, and undone.
 *
 * What remains is for root on the host, or a container with a hostPath of the kubelet directory: a symlink
 * swapped in between the check and the helper's mount(2) can lead the mount to another directory below the
 * kubelet directory; the call then fails, and that mount stays, for it can't be told from another call's.
 */

/** Whether the target has become a mount point, at the end of the very way that was checked. */
export function isAtTarget(plan: MountPlan, before: TargetState, context: MountContext): boolean {
  const { steps, mountId, parentMountId } = walkTo(plan.target, before.identityMount, context);
  if (mountId === undefined || mountId === parentMountId) return false;
  return before.way.every((step, index) => isSameFile(step, steps[index]));
}

/**
 * Where `plan.source` was mounted instead: in the rootfs outside of every shared directory, where nothing else
 * ever mounts. Reads mountinfo: for the failing call alone.
 */
export async function straysOf(plan: MountPlan, context: MountContext): Promise<readonly RootfsMount[]> {
  const found = await mountsInRootfs(context);
  return found.filter(({ entry, place }) => isSourceOf(plan, entry) && !isShared(place, context)).reverse();
}

function isShared(place: string, { manifest }: MountContext): boolean {
  return manifest.mounts.mounter.some(
    ({ propagation, rootfs }) => propagation === 'shared' && place.startsWith(`${rootfs}/`),
  );
}
