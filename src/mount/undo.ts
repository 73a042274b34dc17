import type { MountContext } from './context.ts';
import { glusterfsDaemonsOf } from './glusterfs.ts';
import type { MountPlan } from './plan.ts';
import { isMountPointInRootfs, unmount, unmountInRootfs, unmountMount } from './rootfs-view.ts';
import { isAtTarget, straysOf } from './strays.ts';
import type { TargetState } from './target.ts';

/** More than any stack of mounts that calls at once could leave. */
const maximumLayers = 8;

/**
 * Takes away what a mount left that is not to stay: the glusterfs daemon, by its own pid, for it is in no
 * process group of ours; the mount on the host, and the one inside the rootfs where it did not propagate.
 * The daemon comes first: while it lives and waits for its server, umount(8) hangs, and a lazy one would
 * leave it running. A mount that was there before (`remount`) stays.
 */
export async function undoMount(plan: MountPlan, before: TargetState, context: MountContext): Promise<void> {
  if (plan.isRemount) return;
  if (plan.kind === 'glusterfs') await endGlusterfsDaemons(plan.target, context);
  // In the rootfs first, which takes the host's along: through that mount umount(8) follows no symlink.
  for (let layer = 0; layer < maximumLayers && (await isInRootfs(plan, context)); layer++)
    await unmountInRootfs(plan.target, context);
  for (let layer = 0; layer < maximumLayers && isStillThere(plan, before, context); layer++) {
    await unmount(plan.target, undefined, context);
  }
}

/** A rootfs that can't be entered has nothing of ours. */
function isInRootfs({ target }: MountPlan, context: MountContext): Promise<boolean> {
  return isMountPointInRootfs(target, context).catch(() => false);
}

/** By another way it would be another's mount. */
function isStillThere(plan: MountPlan, before: TargetState, context: MountContext): boolean {
  return isAtTarget(plan, before, context) && context.host.mountId(plan.target) !== before.mountId;
}

/** @returns where in the rootfs the source was mounted instead of on the target, and is no more. */
export async function undoStrays(plan: MountPlan, context: MountContext): Promise<readonly string[]> {
  const strays = await straysOf(plan, context).catch(() => []);
  if (strays.length > 0 && plan.kind === 'glusterfs') await endGlusterfsDaemons(plan.target, context);
  for (const stray of strays) await unmountMount(stray, context);
  return strays.map(({ entry }) => entry.mountPoint);
}

/** SIGTERM makes it unmount itself, within 0.3 to 1.1 s measured; after SIGKILL its mount answers ENOTCONN. */
async function endGlusterfsDaemons(target: string, context: MountContext): Promise<void> {
  const { terminateSeconds } = context.manifest.limits;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const { pid } of daemonsOf(target, context)) context.host.kill(pid, signal);
    await untilGone(target, context, terminateSeconds * 1000);
  }
}

async function untilGone(target: string, context: MountContext, milliseconds: number): Promise<void> {
  const deadline = context.host.now() + milliseconds;
  while (daemonsOf(target, context).length > 0 && context.host.now() < deadline) await context.host.sleep(20);
}

function daemonsOf(target: string, { host, layout }: MountContext) {
  return glusterfsDaemonsOf(host, target, layout.rootfs);
}
