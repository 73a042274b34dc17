import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan.ts';
import { askNetwork } from './ask.ts';
import { type Memory, memoryOf, recall, remember } from './memory.ts';
import type { Answer } from './refusal.ts';
import { endTurn, takeTurn } from './turn.ts';

/** How often those that wait look whether the answer has come. */
const lookMs = 200;

/** What the questions may take beyond their limit: `leastMs` for each of a chain of them. */
const graceMs = 6000;

/**
 * The answer of the network, with which the calls that follow are spared the question for a while. Of all the
 * calls that have the same question one asks, and the others wait for what it finds: hundreds of them would
 * ask a dead server in the same second otherwise, and the healthy mounts beside them would wait for that.
 * @param limitMs for all the questions.
 */
export async function askTogether(
  plan: MountPlan,
  options: string,
  limitMs: number,
  context: MountContext,
  over?: AbortSignal,
): Promise<Answer> {
  const ask = () => askNetwork(plan, options, limitMs, context, over);
  const memory = memoryOf(plan, options, context);
  if (memory === undefined) return ask();
  const { host } = context;
  const sinceMs = memory.nowMs();
  const patience = host.now() + limitMs + graceMs;
  while (over?.aborted !== true && host.now() < patience) {
    const known = recall(memory, sinceMs);
    if (known !== undefined) return known.answer;
    switch (takeTurn(memory)) {
      case 'ours':
        return askInTurn(memory, ask, over);
      case 'taken':
        await host.sleep(lookMs);
        break;
      case 'unavailable':
        return rememberAnswer(memory, await ask(), over);
    }
  }
  return over?.aborted === true ? undefined : ask();
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
