import { moveLockServicesToScopes, provideLockServices } from '../rootfs/lock-services.ts';
import { moveToScopes } from '../rootfs/scope.ts';
import { Asking } from './asking.ts';
import type { MountContext } from './context.ts';
import { glusterfsDaemonsOf } from './glusterfs.ts';
import { runHelper } from './helper.ts';
import { negotiatedVersion3 } from './negotiated.ts';
import type { MountPlan } from './plan.ts';
import { checkDevice, checkHelper } from './preconditions.ts';
import { forget, isRemembering } from './reach/memory-file.ts';
import { checkTarget, type TargetState } from './target.ts';
import { undoMount } from './undo.ts';
import { verifyMounted } from './verify.ts';
import { checkFile } from './written-file.ts';

export interface MountResult {
  /** The target had this source mounted before the call; nothing was run. */
  readonly wasMounted: boolean;
  /** What the helper said, success notwithstanding: its warnings. */
  readonly helperOutput: string;
}

/**
 * Does what the plan says, in its order. Success means that the mount is visible on the host; otherwise
 * whatever the helper left is undone.
 * @throws MounterError with mount(8)'s status, or the helper's own.
 */
export async function runPlan(plan: MountPlan, context: MountContext): Promise<MountResult> {
  const asking = new Asking(plan, context.host.now(), context);
  try {
    return await runSteps(plan, asking, context);
  } finally {
    await asking.end();
  }
}

async function runSteps(plan: MountPlan, asking: Asking, context: MountContext): Promise<MountResult> {
  const startedMs = context.host.now();
  const deadline = startedMs + context.manifest.limits.mountSeconds * 1000;
  let before: TargetState = { mountId: undefined, identityMount: '', way: [] };
  let helperOutput = '';
  for (const step of plan.steps) {
    context.report(step);
    switch (step.kind) {
      case 'checkHelper':
        checkHelper(step.path, context);
        break;
      case 'checkDevice':
        checkDevice(step.path, context);
        break;
      case 'checkTarget': {
        const found = checkTarget(plan, step.identityMount, context);
        if (found === 'mounted') return { wasMounted: true, helperOutput: '' };
        before = found;
        break;
      }
      case 'refreshResolver':
        (await import('../rootfs/resolver/refresh.ts')).refreshResolvConfIfPossible(context);
        break;
      case 'checkFile':
        checkFile(step, context);
        break;
      case 'checkServer':
        if (isRemembering(plan.memory, context.host))
          await (await import('./failure/remembered.ts')).failAsRemembered(plan, context);
        break;
      case 'provideLockServices':
        await provideLockServices(plan.target, context, asking.besideLockServices());
        break;
      case 'runHelper':
        helperOutput = await runHelper(step, plan, before, deadline, asking, context);
        break;
      case 'verifyMounted':
        await verifyMounted(plan, before, helperOutput, startedMs, context);
        forget(plan.memory, context.host);
        if (plan.kind === 'glusterfs') await moveDaemonsToScopes(plan, context);
        break;
      case 'provideLockServicesIfVersion3':
        if (negotiatedVersion3(plan, context)) await lockServicesOrUndo(plan, before, context);
        break;
      default:
        step satisfies never;
    }
  }
  return { wasMounted: false, helperOutput };
}

async function moveDaemonsToScopes(plan: MountPlan, { host, layout }: MountContext): Promise<void> {
  await moveToScopes(host, () =>
    glusterfsDaemonsOf(host, plan.target, layout.rootfs).map(({ pid }) => ({ role: 'glusterfs', pid })),
  );
}

/** A v3 mount whose locks would hang is no success. */
async function lockServicesOrUndo(
  plan: MountPlan,
  before: TargetState,
  context: MountContext,
): Promise<void> {
  try {
    const hasStarted = await provideLockServices(plan.target, context);
    // mount.nfs may have had start-statd start them a moment ago.
    if (!hasStarted) await moveLockServicesToScopes(context);
  } catch (error) {
    await undoMount(plan, before, context);
    throw error;
  }
}
