import { hostPathOf } from '../../rootfs/host-path.ts';
import { provideLockServices } from '../../services/provide.ts';
import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan-data.ts';
import { failureCacheOf, recall, remember } from './failure-cache/failure-cache.ts';
import type { FailureCache } from './failure-cache/file.ts';
import { endTurn, takeTurn } from './failure-cache/turn.ts';
import { leastMs, newInquiry } from './inquiry.ts';
import type { ProbeAnswer } from './probe-failure.ts';

/**
 * What a helper waits for: does the server's name resolve, do its ports answer, all within `limits.connectSeconds`.
 * Otherwise the lock services of this node are asked, and mended, which lets the helper go on.
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
 * A mount that settled for v3 waits 60 to 100 s for a deaf rpcbind. Where none ever listened, mount.nfs has start-statd
 * start it; a node that mounts v4 alone stays without. Where v3 was asked for, they have answered a moment ago.
 */
async function mendLockServices(plan: MountPlan, context: MountContext): Promise<void> {
  if (plan.driver.lockServices(plan) !== 'ifNegotiated') return;
  const { host, layout, manifest } = context;
  if (host.stat(hostPathOf('/run/rpcbind.sock', layout, manifest, host)) === undefined) return;
  // What cannot be mended is no reason yet: the server may still offer v4.
  await provideLockServices(plan.target, context).catch(() => {});
}

/** How often those that wait look whether the answer has come. */
const lookMs = 200;

/** What the answer may take beyond the limit: the last question, and until it is written down and seen. */
const graceMs = leastMs + 2 * lookMs;

/** The same for this call alone: nobody else waits for it, and nothing is remembered. */
export async function askAlone(
  plan: MountPlan,
  limitMs: number,
  context: MountContext,
): Promise<ProbeAnswer> {
  return (await plan.driver.probe())?.(plan)?.ask(newInquiry(context, limitMs, undefined));
}

/**
 * The answer of the network, remembered for a while. Of all calls with the same question one asks, and the others wait:
 * hundreds would ask a dead server in the same second otherwise, and healthy mounts would wait for that.
 * @param limitMs for all the questions.
 */
export async function singleFlight(
  plan: MountPlan,
  limitMs: number,
  context: MountContext,
  over?: AbortSignal,
): Promise<ProbeAnswer> {
  const question = (await plan.driver.probe())?.(plan);
  if (question === undefined) return undefined;
  const ask = () => question.ask(newInquiry(context, limitMs, over));
  const failureCache = failureCacheOf(plan, question.about, context);
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
