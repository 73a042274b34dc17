import type { BoundedResult } from '../host/run-bounded.ts';

/** How long the questions to volumes may take. */
export interface VolumeLimits {
  /** One volume: a server that lives answers in milliseconds. */
  readonly answerMs: number;
  /** Several volumes that are asked in one call, because there are so many. */
  readonly groupMs: number;
  /** After it no question is begun: a thousand volumes that hang would take half an hour. */
  readonly lastMs: number;
  /** Up to so many volumes have a question each; more are asked in groups, which takes far fewer processes. */
  readonly oneByOne: number;
  /** Questions at once: a process each. */
  readonly atOnce: number;
}

/** Less than 3 s for all of them. */
const volumeLimits: VolumeLimits = { answerMs: 1500, groupMs: 500, lastMs: 1200, oneByOne: 16, atOnce: 64 };

/** A fault in a larger one takes more questions to find. */
const groupSize = 32;

/** One question about some targets. */
export type AskTargets = (
  targets: readonly string[],
  limitMs: number,
) => Promise<
  | undefined /** Within the limit there was no answer: at least one of them hangs. */
  | ReadonlyMap<
      string,
      BoundedResult
    > /** Of several targets those are left out that have to be asked for themselves. */
>;

/**
 * Asks every volume, the targets of a great number of them in groups first; those of a group that hangs one by one.
 * @param targets those of one server beside each other: what hangs together is in few groups then.
 * @returns target → answer, undefined for one that hangs; a target that is missing was not asked.
 */
export async function askVolumes(
  targets: readonly string[],
  runBounded: AskTargets,
  limits: VolumeLimits = volumeLimits,
): Promise<ReadonlyMap<string, BoundedResult | undefined>> {
  const began = performance.now();
  const answers = new Map<string, BoundedResult | undefined>();
  const pending = inGroups(targets, targets.length > limits.oneByOne ? groupSize : 1);
  const askInTurn = async (): Promise<void> => {
    for (let group = pending.shift(); group !== undefined; group = pending.shift()) {
      if (performance.now() - began > limits.lastMs) return;
      const found = await runBounded(group, group.length > 1 ? limits.groupMs : limits.answerMs);
      for (const [target, answer] of found ?? []) answers.set(target, answer);
      const [first, ...others] = group.filter((target) => !answers.has(target));
      if (first === undefined) continue;
      if (group.length === 1) answers.set(first, undefined);
      // Before the groups that are left: where everything hangs there is time for one of each at least.
      else pending.unshift([first]);
      pending.push(...inGroups(others, 1));
    }
  };
  await Promise.all(Array.from({ length: limits.atOnce }, askInTurn));
  return answers;
}

function inGroups(targets: readonly string[], size: number): (readonly string[])[] {
  return Array.from({ length: Math.ceil(targets.length / size) }, (_, index) =>
    targets.slice(index * size, (index + 1) * size),
  );
}
