import type { MountContext } from './context.ts';
import { glusterfsDaemonsOf } from './glusterfs.ts';
import type { MountPlan } from './plan.ts';
import { parentOf, type TargetState } from './target.ts';

/** More than any stack of mounts that calls at once could leave. */
const maximumLayers = 8;

/**
 * Takes away what a mount left that is not to stay: the glusterfs daemon, by its own pid, for it is in no
 * process group of ours; the mount on the host, and the one inside the rootfs where it did not propagate.
 * A mount that was there before (`remount`) stays.
 */
export async function undoMount(plan: MountPlan, before: TargetState, context: MountContext): Promise<void> {
  if (plan.isRemount) return;
  if (plan.kind === 'glusterfs') await endGlusterfsDaemons(plan.target, context);
  for (
    let layer = 0;
    layer < maximumLayers && context.host.mountId(plan.target) !== before.mountId;
    layer++
  ) {
    await unmount(plan.target, context);
  }
  const parentId = context.host.mountId(parentOf(plan.rootfsTarget));
  for (
    let layer = 0;
    layer < maximumLayers && context.host.mountId(plan.rootfsTarget) !== parentId;
    layer++
  ) {
    await unmount(plan.rootfsTarget, context);
  }
}

/** Its mount answers ENOTCONN from then on, instead of hanging, and can be unmounted. */
async function endGlusterfsDaemons(target: string, { host, manifest }: MountContext): Promise<void> {
  const daemons = glusterfsDaemonsOf(host, target);
  for (const { pid } of daemons) host.kill(pid, 'SIGTERM');
  const deadline = host.now() + manifest.limits.terminateSeconds * 1000;
  while (glusterfsDaemonsOf(host, target).length > 0 && host.now() < deadline) await host.sleep(20);
  for (const { pid } of glusterfsDaemonsOf(host, target)) host.kill(pid, 'SIGKILL');
}

/** umount(8), and where that fails or hangs a lazy one: the directory is free at once. */
async function unmount(path: string, { host, manifest }: MountContext): Promise<void> {
  const terminateMs = manifest.limits.terminateSeconds * 1000;
  const umount = host.findProgram('umount');
  const outcome = await host.run({
    argv: [umount, '--no-canonicalize', path],
    deadlineMs: 5000,
    terminateMs,
  });
  if (outcome.status === 0) return;
  await host.run({ argv: [umount, '--no-canonicalize', '-l', path], deadlineMs: 5000, terminateMs });
}
