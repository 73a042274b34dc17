import { isSameFile } from '../host/host.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import type { MountContext } from './context.ts';
import type { MountPlan } from './plan.ts';
import { isSourceOf, type TargetState, walkTo } from './target.ts';

/**
 * A mount that went elsewhere because somebody moved directories while the helper ran. What stands against
 * that, in this order:
 *
 * 1. Every directory on the way is root's alone (target.ts). Of a Pod's containers only one that runs as root
 *    can then change the way, and only within a volume of its own.
 * 2. The rootfs sees the kubelet directory through a mount with `nosymfollow` (`prepare`): no symlink leads
 *    the helper anywhere, whenever it is swapped in. Within a volume nothing is mounted without that.
 * 3. After the helper the way is walked again: the same directories, and a new mount at their end.
 *    Otherwise what was mounted is looked for, and undone.
 *
 * What remains: real directories can still be exchanged within the container's own volume between the check
 * and the helper's mount(2), and the whole way can be moved after the second walk. Either way the mount is
 * below the volume of the Pod that asked for it.
 */

/** Whether the target has become a mount point, at the end of the very way that was checked. */
export function isAtTarget(plan: MountPlan, before: TargetState, context: MountContext): boolean {
  const { steps, mountId, parentMountId } = walkTo(plan.target, before.identityMount, context);
  if (mountId === undefined || mountId === parentMountId) return false;
  return before.way.every((step, index) => isSameFile(step, steps[index]));
}

/**
 * Where `plan.source` was mounted instead: in the rootfs outside of every shared directory, where nothing else
 * ever mounts; and, where a container can change the way, anywhere new below its own Pod's directory.
 * Reads mountinfo: for the failing call alone.
 */
export function straysOf(plan: MountPlan, before: TargetState, context: MountContext): readonly string[] {
  const ours = readMountinfo(context.host).filter((entry) => isSourceOf(plan, entry));
  const astray = ours.filter((entry) => isOutsideInRootfs(entry, context) || isNewInPod(entry, plan, before));
  return astray.map(({ mountPoint }) => mountPoint).reverse();
}

function isOutsideInRootfs({ mountPoint }: MountEntry, { layout, manifest }: MountContext): boolean {
  const place = placeInRootfs(mountPoint, layout);
  if (place === undefined) return false;
  return !manifest.mounts.mounter.some(
    ({ propagation, rootfs }) => propagation === 'shared' && place.startsWith(`${rootfs}/`),
  );
}

/** The path as the helper sees it: what follows `versions/<digest>`. */
function placeInRootfs(path: string, layout: MountContext['layout']): string | undefined {
  if (path.startsWith(`${layout.rootfs}/`)) return path.slice(layout.rootfs.length);
  if (!path.startsWith(`${layout.versions}/`)) return undefined;
  const slash = path.indexOf('/', layout.versions.length + 1);
  return slash < 0 ? undefined : path.slice(slash);
}

function isNewInPod(
  { mountPoint, mountId }: MountEntry,
  { target }: MountPlan,
  { mounts, identityMount }: TargetState,
): boolean {
  if (mounts === undefined) return false;
  const [pods = '', uid = ''] = target.slice(identityMount.length + 1).split('/');
  if (!mountPoint.startsWith(`${identityMount}/${pods}/${uid}/`)) return false;
  return !mounts.some((entry) => entry.mountId === mountId && entry.mountPoint === mountPoint);
}
