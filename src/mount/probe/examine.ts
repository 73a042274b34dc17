import { provideLockServices } from '../../lock-services/lock-services.ts';
import { hostPathOf } from '../../rootfs/host-path.ts';
import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan-data.ts';
import type { ProbeAnswer } from './probe-failure.ts';
import { singleFlight } from './single-flight.ts';

/**
 * Finds out what a helper waits for that has not come back: does the server's name resolve, do its ports
 * answer, all within `limits.connectSeconds`. Where that is not it, the lock services of this node are asked,
 * and mended, which lets the helper go on.
 * @returns why the mount can come to nothing, or undefined when it still may.
 */
export async function examine(
  plan: MountPlan,
  context: MountContext,
  over: AbortSignal,
): Promise<ProbeAnswer> {
  const limitMs = context.manifest.limits.connectSeconds * 1000;
  const probeFailure = await singleFlight(plan, limitMs, context, over);
  if (probeFailure === undefined && !over.aborted) await mendLockServices(plan, { ...context, signal: over });
  return probeFailure;
}

/**
 * A mount that settled for v3 asks this node's rpcbind for rpc.statd, and waits 60 to 100 s for one that is
 * deaf. Where none ever listened, mount.nfs has start-statd start it by itself; a node that mounts v4 alone
 * is to stay without. Where v3 was asked for, they have answered a moment ago.
 */
async function mendLockServices(plan: MountPlan, context: MountContext): Promise<void> {
  if (plan.driver.lockServices(plan) !== 'ifNegotiated') return;
  const { host, layout, manifest } = context;
  if (host.stat(hostPathOf('/run/rpcbind.sock', layout, manifest, host)) === undefined) return;
  // What can't be mended is no reason yet: the server may still offer v4.
  await provideLockServices(plan.target, context).catch(() => {});
}
