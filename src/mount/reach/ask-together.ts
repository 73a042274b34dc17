import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan.ts';
import { askNetwork } from './ask.ts';
import { leastMs } from './inquiry.ts';
import { type Memory, memoryOf, recall, remember } from './memory.ts';
import type { Answer } from './refusal.ts';
import { endTurn, takeTurn } from './turn.ts';

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
export async function askTogether(
  plan: MountPlan,
  limitMs: number,
  context: MountContext,
  over?: AbortSignal,
): Promise<Answer> {
  const ask = () => askNetwork(plan, limitMs, context, over);
  const memory = memoryOf(plan, context);
  if (memory === undefined) return ask();
  const { host } = context;
  const sinceMs = memory.nowMs();
  const longestMs = limitMs + graceMs;
  const patience = host.now() + longestMs;
  while (over?.aborted !== true && host.now() < patience) {
    const known = recall(memory, sinceMs);
    if (known !== undefined) return known.answer;
    switch (takeTurn(memory, longestMs)) {
      case 'ours':
        return askInTurn(memory, ask, over);
      case 'taken':
        await host.sleep(lookMs);
        break;
      case 'unavailable':
        return rememberAnswer(memory, await ask(), over);
    }
  }
  // Its time is over with that of the one it waited for.
  return undefined;
}

async function askInTurn(
  memory: Memory,
  ask: () => Promise<Answer>,
  over: AbortSignal | undefined,
): Promise<Answer> {
  try {
    return rememberAnswer(memory, await ask(), over);
  } finally {
    endTurn(memory);
  }
}

/** What was broken off is no answer. */
function rememberAnswer(memory: Memory, answer: Answer, over: AbortSignal | undefined): Answer {
  if (over?.aborted !== true) remember(memory, answer);
  return answer;
}
