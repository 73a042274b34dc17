import { existsSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { describeError, MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Output } from '../host/output.ts';
import { asMounterError } from '../host/system-error.ts';
import { parseManifest } from '../manifest/manifest.ts';
import { lookAtHost } from './look.ts';
import { forgetOutcome, type Outcome, writeOutcome } from './outcome.ts';
import { toolsManifest } from './places.ts';
import {
  examineNode,
  keepMetrics,
  type Report,
  type RoundContext,
  readWish,
  runRound,
  type Wish,
} from './reconcile.ts';

/** From a round that failed to the next: doubled each time. */
const [firstRetrySeconds, lastRetrySeconds] = [5, 60];
/** The gate and the settings are read, and the node's files are looked at. */
const [wishMs, lookMs] = [2000, 5000];

/** From one examination of a node that is in order to the next, as a share of what lies between two rounds. */
const examinationsInInterval = 10;

/** One round. @returns whether the node is ready then. @throws MounterError for a wish that is not valid. */
export async function runOnce(context: RoundContext, output: Output, end: AbortSignal): Promise<boolean> {
  const wish = readWish();
  const { isReady, text } = await runRound(wish, context, end);
  await keepMetrics(wish, context, end);
  if (!isReady) output.err(`not ready: ${text}\n`);
  return isReady;
}

/** @throws MounterError (system) where somebody tries the agent on a machine as it is. */
export function requireContainer(): void {
  if (existsSync(toolsManifest)) return;
  throw new MounterError('is missing: this is not the container of the node agent', {
    subject: toolsManifest,
    status: exitCode.system,
    hint: 'mounter manifest daemonset prints what runs it; for this node alone: mounter install SOURCE, mounter unit --install',
  });
}

/**
 * Rounds for ever: one when it starts, when another thing is wished, when the node is not as the last round left it,
 * after a round that failed, and every `intervalMs`. A round that has changed something is followed by another, which
 * finds nothing to do: what somebody else changes meanwhile is not taken for its work. Between two rounds the node is
 * examined some times, for what no file shows, such as a disk that is full; and its metrics are written.
 */
export async function keepNode(
  context: RoundContext,
  intervalMs: number,
  output: Output,
  end: AbortSignal,
): Promise<void> {
  forgetOutcome();
  const say = sayer(output);
  const manifest = parseManifest(readFileSync(toolsManifest, 'utf8'), toolsManifest);
  const look = () => lookAtHost(context.layout, manifest);
  let retryMs = firstRetrySeconds * 1000;
  let last: Wish | undefined;
  let said: Outcome | undefined;
  const tell = (outcome: Outcome) => {
    said = outcome;
    say(outcome);
    writeOutcome(outcome);
  };
  for (let wish = readWish(); !end.aborted; wish = readWish()) {
    if (last !== undefined && !isSame(last, wish)) {
      said = { isReady: false, text: 'the gate or the settings are others now, which is not done yet' };
      writeOutcome(said);
      retryMs = firstRetrySeconds * 1000;
    }
    last = wish;
    const before = look();
    const isAtWork = () => {
      if (said !== undefined) writeOutcome(said);
    };
    const watched = <T>(work: (signal: AbortSignal) => Promise<T>) => runWatched(wish, end, isAtWork, work);
    const outcome = await watched((signal) => runRound(wish, context, signal)).catch(failed);
    if (end.aborted) return;
    // What was wished before is no matter any more, whatever came of it.
    if (!isSame(wish, readWish())) continue;
    tell(await withLacks(outcome, context));
    const until = performance.now() + (outcome.isReady ? intervalMs : Math.min(intervalMs, retryMs));
    retryMs = outcome.isReady ? firstRetrySeconds * 1000 : Math.min(2 * retryMs, lastRetrySeconds * 1000);
    await watched((signal) => keepMetrics(wish, context, signal));
    const examineMs = intervalMs / examinationsInInterval;
    let nextExamination = performance.now() + examineMs;
    await pause(until, wish, end, async () => {
      tell(await withLacks(outcome, context));
      if (!outcome.isReady) return true;
      if (look() !== before) return false;
      if (performance.now() < nextExamination) return true;
      nextExamination = performance.now() + examineMs;
      await watched((signal) => keepMetrics(wish, context, signal));
      if (!outcome.isExamined) return true;
      const found = await watched((signal) => examineNode(context, signal));
      if (found.isReady || end.aborted || !isSame(wish, readWish())) return true;
      tell(found);
      return false;
    });
  }
}

function failed(error: unknown): Outcome {
  return { isReady: false, text: describeError(asMounterError(error)) };
}

/**
 * Ended when another thing is wished, whatever it waits for. What fails is tried again, and keeps no later wish from
 * being obeyed: a container that crashes waits for minutes.
 * @param isAtWork called now and then: a step may take longer than what was said before is good for.
 */
async function runWatched<T>(
  wish: Wish,
  end: AbortSignal,
  isAtWork: () => void,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const other = new AbortController();
  const watch = setInterval(() => {
    if (!isSame(wish, readWish())) other.abort();
    isAtWork();
  }, wishMs);
  try {
    return await work(AbortSignal.any([end, other.signal]));
  } finally {
    clearInterval(watch);
  }
}

async function withLacks(outcome: Outcome, { lacks }: RoundContext): Promise<Outcome> {
  const text = await lacks();
  return text === undefined || !outcome.isReady ? outcome : { isReady: false, text };
}

function isSame(one: Wish, other: Wish): boolean {
  return one.gate === other.gate && one.settings === other.settings;
}

/** Until it is time, something else is wished, it is to end, or `isAsLeft` finds the node changed. */
async function pause(
  until: number,
  wish: Wish,
  end: AbortSignal,
  isAsLeft: () => Promise<boolean>,
): Promise<void> {
  let nextLook = performance.now() + lookMs;
  for (;;) {
    const left = until - performance.now();
    if (left <= 0 || end.aborted || !isSame(wish, readWish())) return;
    if (performance.now() >= nextLook) {
      if (!(await isAsLeft())) return;
      nextLook = performance.now() + lookMs;
    }
    await setTimeout(Math.min(left, wishMs), undefined, { signal: end }).catch(() => {});
  }
}

/** The same words of the same step are said once, not in every round. */
export function reporter(output: Output): Report {
  const before = new Map<string, string>();
  return (name, { status, stdout, stderr }) => {
    const text = `${status} ${stdout}${stderr}`;
    if (before.get(name) !== text) {
      if (status === 0) output.out(stdout.replace(/^(?=.)/gm, `${name}: `));
      else output.err(`${name}: status ${status}\n${stderr}`);
    }
    before.set(name, text);
  };
}

/** For whoever waits for all nodes: what each has come to, once. */
function sayer(output: Output): (outcome: Outcome) => void {
  let said = '';
  return ({ isReady, text }) => {
    const words = isReady ? `ready: ${text}\n` : `not ready: ${text.trimEnd()}\n`;
    if (words !== said) output[isReady ? 'out' : 'err'](words);
    said = words;
  };
}
