import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan-data.ts';
import { type FailureCache, failureCacheOf, recall, remember } from './failure-cache/failure-cache.ts';
import { endTurn, takeTurn } from './failure-cache/turn.ts';
import { leastMs, newInquiry } from './inquiry.ts';
import type { ProbeAnswer } from './probe-failure.ts';

/** How often those that wait look whether the answer has come. */
const lookMs = 200;

/** What the answer may take beyond the limit: the last question, and until it is written down and seen. */
const graceMs = leastMs + 2 * lookMs;

/**
 * The answer of the network, with which the calls that follow are spared the question for a while. Of all the
 * calls that have the same question one asks, and the others wait for what it finds: hundreds of them would
 * ask a dead server in the same second otherwise, and the healthy mounts beside them would wait for that.
 * @param limitMs for all the questions.
 */
export async function singleFlight(
  plan: MountPlan,
  limitMs: number,
  context: MountContext,
  over?: AbortSignal,
): Promise<ProbeAnswer> {
  const probe = await plan.driver.probe();
  if (probe === undefined) return undefined;
  const ask = () => probe.ask(plan, newInquiry(context, limitMs, over));
  const failureCache = failureCacheOf(plan, probe.question(plan), context);
  if (failureCache === undefined) return ask();
  const { host } = context;
  const sinceMs = failureCache.nowMs();
  const longestMs = limitMs + graceMs;
  const patience = host.now() + longestMs;
  while (over?.aborted !== true && host.now() < patience) {
    const known = recall(failureCache, sinceMs);
    if (known !== undefined) return known.answer;
    switch (takeTurn(failureCache, longestMs)) {
      case 'ours':
        return askInTurn(failureCache, ask, over);
      case 'taken':
        await host.sleep(lookMs);
        break;
      case 'unavailable':
        return rememberAnswer(failureCache, await ask(), over);
    }
  }
  // Its time is over with that of the one it waited for.
  return undefined;
}

async function askInTurn(
  failureCache: FailureCache,
  ask: () => Promise<ProbeAnswer>,
  over: AbortSignal | undefined,
): Promise<ProbeAnswer> {
  try {
    return rememberAnswer(failureCache, await ask(), over);
  } finally {
    endTurn(failureCache);
  }
}

/** What was broken off is no answer. */
function rememberAnswer(
  failureCache: FailureCache,
  answer: ProbeAnswer,
  over: AbortSignal | undefined,
): ProbeAnswer {
  if (over?.aborted !== true) remember(failureCache, answer);
  return answer;
}
