import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { MountContext } from './context.ts';
import { glusterfsDaemonsOf } from './glusterfs.ts';
import type { MountPlan } from './plan.ts';
import { isSourceOf, mountEntryAt, parentOf, type TargetState } from './target.ts';
import { undoMount } from './undo.ts';

/**
 * The helper has reported success: is the mount on the host? One look at the id of the mount on the target
 * tells, whatever the number of mounts: it was not a mount point before, so a new id is a new mount.
 * @throws MounterError when nothing new is there, after undoing what was mounted inside the rootfs alone.
 */
export async function verifyMounted(
  plan: MountPlan,
  before: TargetState,
  helperOutput: string,
  context: MountContext,
): Promise<void> {
  const mountId = context.host.mountId(plan.target);
  if (plan.isRemount && mountId === before.mountId) return;
  if (mountId !== undefined && mountId !== before.mountId) {
    await verifyOnlyOne(plan, before, mountId, context);
    return;
  }
  const isMountedInRootfs =
    context.host.mountId(plan.rootfsTarget) !== context.host.mountId(parentOf(plan.rootfsTarget));
  await undoMount(plan, before, context);
  throw isMountedInRootfs ? notPropagated(plan, helperOutput) : nothingMounted(plan, helperOutput);
}

/**
 * Two calls for one target at once end with two glusterfs daemons and two mounts, one on the other: every
 * GlusterFS mount is a filesystem of its own. (The kernel refuses to mount an NFS filesystem twice on one
 * directory.) The one below gives way, being hidden.
 */
async function verifyOnlyOne(
  plan: MountPlan,
  before: TargetState,
  mountId: number,
  context: MountContext,
): Promise<void> {
  if (plan.kind !== 'glusterfs') return;
  const entry = mountEntryAt(plan.target, mountId, context);
  if (
    entry !== undefined &&
    isSourceOf(plan, entry) &&
    glusterfsDaemonsOf(context.host, plan.target).length === 1
  )
    return;
  if (entry !== undefined && isSourceOf(plan, entry) && entry.parentId === before.mountId) return;
  await undoMount(plan, before, context);
  throw new MounterError(
    `another mount came onto the target while ${plan.source} was being mounted; all of it is undone`,
    {
      subject: plan.target,
      status: exitCode.mountFailure,
      hint: 'mount it again',
    },
  );
}

function notPropagated(plan: MountPlan, helperOutput: string): MounterError {
  return new MounterError(
    `${plan.source} was mounted inside the rootfs but did not appear on the host; it is unmounted again`,
    {
      subject: plan.target,
      status: exitCode.system,
      helperOutput,
      hint: 'the directory is not shared between host and rootfs: run mounter prepare',
    },
  );
}

function nothingMounted(plan: MountPlan, helperOutput: string): MounterError {
  return new MounterError(`the helper reported success, but ${plan.source} is not mounted`, {
    subject: plan.target,
    status: exitCode.mountFailure,
    helperOutput,
    hint: `look at findmnt ${plan.target} and mount it again`,
  });
}
