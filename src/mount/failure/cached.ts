import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan.ts';
import { failureCacheOf, recall } from '../probe/failure-cache/failure-cache.ts';
import { explainProbeFailure } from './explain.ts';

/**
 * A server that another call found unreachable a moment ago is not asked again.
 * @throws MounterError with that call's explanation, and when that was.
 */
export async function failAsRemembered(plan: MountPlan, context: MountContext): Promise<void> {
  const failureCache = failureCacheOf(plan, context);
  const answer = failureCache && recall(failureCache, failureCache.nowMs())?.answer;
  if (answer !== undefined) throw explainProbeFailure(plan, answer, context);
}
