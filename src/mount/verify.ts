import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { MountContext } from './context.ts';
import { type MountPlan, optionsOf } from './plan.ts';
import { isMountPointInRootfs } from './rootfs-view.ts';
import { isAtTarget } from './strays.ts';
import { isSourceOf, mountEntryAt, type TargetState } from './target.ts';
import { undoMount, undoStrays } from './undo.ts';

/**
 * The helper has reported success: is the mount on the host? One look at the id of the mount on the target
 * tells, whatever the number of mounts: it was not a mount point before, so a new id is a new mount.
 * (mount.nfs also exits 0 when it has not mounted, and mount.glusterfs when the directory of the volume is
 * missing.)
 * @param startedMs when the call began, by the host's clock.
 * @throws MounterError when nothing new is there, after undoing what was mounted inside the rootfs alone.
 */
export async function verifyMounted(
  plan: MountPlan,
  before: TargetState,
  helperOutput: string,
  startedMs: number,
  context: MountContext,
): Promise<void> {
  const mountId = context.host.mountId(plan.target);
  if (plan.isRemount ? mountId === before.mountId : isMountedAsAsked(plan, before, context)) return;
  if (!plan.isRemount) await refuseStrays(plan, helperOutput, context);
  const isMountedInRootfs = await isMountPointInRootfs(plan.target, context);
  await undoMount(plan, before, context);
  if (isMountedInRootfs) throw notPropagated(plan, helperOutput);
  throw await nothingMounted(plan, helperOutput, startedMs, context);
}

/** @throws MounterError when the way to the target has changed meanwhile, after undoing what was mounted elsewhere. */
async function refuseStrays(plan: MountPlan, helperOutput: string, context: MountContext): Promise<void> {
  const strays = await undoStrays(plan, context);
  if (strays.length === 0) return;
  throw new MounterError(
    `the directories on the way were changed while ${plan.source} was mounted: it came to ${strays.join(', ')}, and is unmounted again`,
    {
      subject: plan.target,
      status: exitCode.mountFailure,
      errorClass: 'mount-point',
      helperOutput,
      hint: 'see who writes in these directories: a container must not be able to',
    },
  );
}

/**
 * Whether the target has become a mount point since `before`, and has the source that was asked for. The
 * source stands in mountinfo alone, which takes longer to read the more mounts there are; for NFS the new
 * mount is proof enough: the kernel refuses to mount one filesystem twice on one directory.
 */
export function isMountedAsAsked(plan: MountPlan, before: TargetState, context: MountContext): boolean {
  const mountId = context.host.mountId(plan.target);
  if (mountId === undefined || mountId === before.mountId) return false;
  if (!isAtTarget(plan, before, context)) return false;
  if (plan.kind !== 'glusterfs') return true;
  const entry = mountEntryAt(plan.target, mountId, context);
  return entry !== undefined && isSourceOf(plan, entry);
}

function notPropagated(plan: MountPlan, helperOutput: string): MounterError {
  return new MounterError(
    `${plan.source} was mounted inside the rootfs but did not appear on the host; it is unmounted again`,
    {
      subject: plan.target,
      status: exitCode.system,
      errorClass: 'propagation',
      helperOutput,
      hint: 'the directory is not shared between host and rootfs: run mounter prepare',
    },
  );
}

/** The helper was content: what it, and the log of a glusterfs daemon, have said tells more than we know. */
async function nothingMounted(
  plan: MountPlan,
  helperOutput: string,
  startedMs: number,
  context: MountContext,
): Promise<MounterError> {
  const { explainNothingMounted } = await import('./failure/explain.ts');
  const [helper = '', ...words] = plan.steps.find((step) => step.kind === 'runHelper')?.argv ?? [];
  const outcome = { status: 0, endedBy: 'itself', output: helperOutput } as const;
  const failure = { helper, plan, options: optionsOf(words), outcome, refusal: undefined, startedMs };
  return explainNothingMounted(failure, context);
}
