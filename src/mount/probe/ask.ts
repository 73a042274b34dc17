import type { MountContext } from '../context.ts';
import { askGlusterfs } from '../filesystems/glusterfs/probe.ts';
import { askNfs } from '../filesystems/nfs/probe.ts';
import type { MountPlan } from '../plan.ts';
import { newInquiry } from './inquiry.ts';
import type { ProbeAnswer } from './probe-failure.ts';

/** The questions to the network, which change nothing on this node. @param limitMs for all of them. */
export function askNetwork(
  plan: MountPlan,
  limitMs: number,
  context: MountContext,
  over?: AbortSignal,
): Promise<ProbeAnswer> {
  const inquiry = newInquiry(context, limitMs, over);
  switch (plan.kind) {
    case 'nfs':
      return askNfs(plan, inquiry);
    case 'glusterfs':
      return askGlusterfs(plan, inquiry);
    case 'generic':
      return Promise.resolve(undefined);
    default:
      return plan.kind satisfies never;
  }
}
