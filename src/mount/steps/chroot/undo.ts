import { isSameFile } from '../../../host/host.ts';
import type { Descriptor } from '../../../host/mount-host.ts';
import { type MountEntry, readMountinfo } from '../../../host/mountinfo.ts';
import { isShared } from '../../../manifest/shared-mounts.ts';
import type { MountContext } from '../../context.ts';
import type { MountPlan } from '../../plan-data.ts';
import { refusalOf } from '../in-sight.ts';
import { type OpenTarget, type PathWalk, partsBelow, walk } from '../path-walk.ts';

/**
 * Taking away what a helper has mounted on the target itself, in a rootfs that is entered by chroot(2). Under the lock of
 * the target, so that nobody else's mount is there; the guardian has ended daemons before.
 */

/** More than any stack of mounts that a helper could leave. */
const maximumLayers = 8;

/**
 * Unmounts what came to the target since it was opened, on the host and in the rootfs.
 * @returns what is left and where, when the kernel refuses.
 */
export function undoMount(plan: MountPlan, before: OpenTarget, context: MountContext): string | undefined {
  const { host } = context;
  const takeAll = (takeOne: () => boolean) =>
    refusalOf(() => {
      for (let layer = 0; layer < maximumLayers && takeOne(); layer++);
    });
  // By what was opened, and never by a path: that may lead to somebody else's mount by now.
  const refusals = [
    takeAll(() => host.detachFrom(before.file)),
    takeAll(() => detachInRootfs(plan, before, context)),
  ];
  const refusal = refusals.find((code) => code !== undefined);
  if (refusal === undefined) return undefined;
  // Where one of the two goes, the other goes with it.
  const left = isMountedSince(plan, before, context) || isMountedInRootfs(plan, before, context);
  return left
    ? `what the helper has mounted is still on it, for umount2 fails with ${refusal}: umount -l ${plan.target}`
    : undefined;
}

/** @returns whether there was anything to take away. */
function detachInRootfs(plan: MountPlan, before: OpenTarget, context: MountContext): boolean {
  const file = openMountInRootfs(plan, before, context);
  if (file === undefined) return false;
  try {
    return context.host.detachFrom(file);
  } finally {
    context.host.close(file);
  }
}

/** Whether the target has become a mount point, at the end of the very way that was checked. */
export function isMountedSince(
  { target }: MountPlan,
  { identityMount, way, status }: OpenTarget,
  { host }: MountContext,
): boolean {
  const { steps, file } = walk(identityMount, partsBelow(identityMount, target), host);
  if (file !== undefined) host.close(file);
  return isSameWay(way, steps) && file !== undefined && steps.at(-1)?.mountId !== status.mountId;
}

function isSameWay(way: OpenTarget['way'], steps: PathWalk['steps']): boolean {
  return way.every((step, index) => isSameFile(step, steps[index]));
}

/** Whether something is mounted on the target as the rootfs sees it. */
export function isMountedInRootfs(plan: MountPlan, before: OpenTarget, context: MountContext): boolean {
  const file = openMountInRootfs(plan, before, context);
  if (file !== undefined) context.host.close(file);
  return file !== undefined;
}

/** The root of what is mounted there, at the end of the very way that was checked. */
function openMountInRootfs(
  { target }: MountPlan,
  { identityMount, way }: OpenTarget,
  { host, layout }: MountContext,
): Descriptor | undefined {
  const names = partsBelow(identityMount, target);
  const { steps, file } = walk(`${layout.rootfs}${identityMount}`, names, host);
  if (file === undefined) return undefined;
  if (isSameWay(way, steps) && steps.at(-1)?.mountId !== steps.at(-2)?.mountId) return file;
  host.close(file);
  return undefined;
}

/**
 * A mount that went elsewhere because somebody moved directories while the helper ran. What stands against that, in
 * this order:
 *
 * 1. Every directory on the way is root's alone, and the target is not within a volume (target.ts): no container can
 *    change the way.
 * 2. The rootfs sees the kubelet directory through a mount with `nosymfollow` (`prepare`): the kernel follows no
 *    symlink there for a helper, whenever it is swapped in. A helper that reads a symlink itself (mount.nfs, by
 *    realpath(3)) still goes where it leads.
 * 3. After the helper the way is walked again: the same directories, and a new mount at their end. Otherwise what
 *    came to the rootfs instead, outside of every shared directory, is looked for, and undone.
 *
 * What remains is for root on the host: a symlink swapped in between the check and the helper's mount(2) can lead the
 * mount to another directory below the kubelet directory; the call then fails, and that mount stays, for it cannot be
 * told from another call's. With `enter: attach` nothing of all this can happen.
 * @returns where the source was mounted instead; it is no more, unless the kernel refuses that.
 */
export function undoMisplaced(plan: MountPlan, context: MountContext): readonly Misplaced[] {
  const misplaced = readMountinfo(context.host).filter((entry) => isMisplaced(entry, plan, context));
  return misplaced.toReversed().map(({ mountPoint }) => ({
    mountPoint,
    refusal: refusalOf(() => context.host.detach(mountPoint)),
  }));
}

export interface Misplaced {
  readonly mountPoint: string;
  readonly refusal: string | undefined;
}

function isMisplaced(entry: MountEntry, plan: MountPlan, { layout, manifest }: MountContext): boolean {
  if (!plan.driver.isSameSource(plan, entry)) return false;
  const place = placeInRootfs(entry.mountPoint, layout);
  if (place === undefined) return false;
  return !manifest.mounts.mounter.filter(isShared).some(({ rootfs }) => place.startsWith(`${rootfs}/`));
}

/** The path as the helper sees it: what follows `versions/<digest>`. */
function placeInRootfs(path: string, layout: MountContext['layout']): string | undefined {
  if (path.startsWith(`${layout.rootfs}/`)) return path.slice(layout.rootfs.length);
  if (!path.startsWith(`${layout.versions}/`)) return undefined;
  const slash = path.indexOf('/', layout.versions.length + 1);
  return slash < 0 ? undefined : path.slice(slash);
}
