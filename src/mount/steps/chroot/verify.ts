import { MounterError } from '../../../errors.ts';
import { exitCode } from '../../../exit-codes.ts';
import { statusAt } from '../../../host/mount-host.ts';
import type { MountEntry } from '../../../host/mountinfo.ts';
import type { MountContext } from '../../context.ts';
import type { MountPlan } from '../../plan-data.ts';
import type { OpenTarget } from '../path-walk.ts';
import { mountEntryOf } from '../target.ts';
import { isMountedInRootfs, isMountedSince, type Misplaced, undoMisplaced } from './undo.ts';

/**
 * Whether what a helper has mounted, with `enter: chroot`, is on the host. The id of the mount on the target tells: it
 * was no mount point before. A helper may exit 0 without one: see `mountedApart`.
 * @returns false when nothing is mounted anywhere; true when all is in order.
 * @throws MounterError when it is mounted elsewhere, after undoing that, or in the rootfs alone, which the caller undoes.
 */
export function verifyMounted(
  plan: MountPlan,
  before: OpenTarget,
  helperOutput: string,
  context: MountContext,
): boolean {
  if (isMountedAsAsked(plan, before, context)) return true;
  const misplaced = undoMisplaced(plan, context);
  if (misplaced.length > 0) throw wentElsewhere(plan, misplaced, helperOutput);
  if (isMountedInRootfs(plan, before, context)) throw notPropagated(plan, helperOutput);
  return false;
}

/** The source stands in mountinfo, which is slow to read. The kernel's own mounts need no look: it makes none twice. */
function isMountedAsAsked(plan: MountPlan, before: OpenTarget, context: MountContext): boolean {
  if (!isMountedSince(plan, before, context)) return false;
  if (plan.driver.isNewMountProof) return true;
  const entry = mountOn(plan.target, context);
  return entry !== undefined && plan.driver.isSameSource(plan, entry);
}

/** Reads all of mountinfo. */
export function mountOn(target: string, context: MountContext): MountEntry | undefined {
  const status = statusAt(target, context.host);
  return status && mountEntryOf(status.mountId, context);
}

function wentElsewhere(
  { source, target }: MountPlan,
  misplaced: readonly Misplaced[],
  helperOutput: string,
): MounterError {
  const places = misplaced.map(({ mountPoint }) => mountPoint).join(', ');
  const left = misplaced.filter(({ refusal }) => refusal !== undefined);
  const end =
    left.length === 0
      ? 'is unmounted again'
      : `is still there, for umount2 fails with ${left[0]?.refusal}: umount -l ${left.map(({ mountPoint }) => mountPoint).join(' ')}`;
  return new MounterError(
    `the directories on the way were changed while ${source} was mounted: it came to ${places}, and ${end}`,
    {
      subject: target,
      status: exitCode.mountFailure,
      errorClass: 'mount-point',
      helperOutput,
      hint: 'see who writes in these directories: a container must not be able to',
    },
  );
}

function notPropagated({ source, target }: MountPlan, helperOutput: string): MounterError {
  return new MounterError(
    `${source} was mounted inside the rootfs but did not appear on the host; it is unmounted again`,
    {
      subject: target,
      status: exitCode.system,
      errorClass: 'propagation',
      helperOutput,
      hint: 'the directory is not shared between host and rootfs: run mounter prepare',
    },
  );
}
