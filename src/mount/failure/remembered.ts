import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan.ts';
import { memoryOf, recall } from '../reach/memory.ts';
import { explainRefusal } from './explain.ts';

/**
 * A server that another call found unreachable a moment ago is not asked again.
 * @throws MounterError with that call's explanation, and when that was.
 */
export async function failAsRemembered(plan: MountPlan, context: MountContext): Promise<void> {
  const memory = memoryOf(plan, context);
  const answer = memory && recall(memory, memory.nowMs())?.answer;
  if (answer !== undefined) throw explainRefusal(plan, answer, context);
}
