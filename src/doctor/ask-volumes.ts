import type { Answer } from '../host/question.ts';

/** How long the questions to volumes may take. */
export interface VolumeLimits {
  /** One volume: a server that lives answers in milliseconds. */
  readonly answerMs: number;
  /** Several volumes that are asked in one call, because there are so many. */
  readonly groupMs: number;
  /** After it no question is begun: a thousand volumes that hang would take half an hour. */
  readonly lastMs: number;
  /** Questions at once: a process each. */
  readonly atOnce: number;
}

export const volumeLimits: VolumeLimits = { answerMs: 1500, groupMs: 500, lastMs: 1200, atOnce: 64 };

/** A fault in a larger one takes more questions to find. */
const groupSize = 32;

/**
 * Asks every volume, the targets of a great number of them in groups first; those of a group that does not answer
 * well one by one.
 * @param ask for one answer to all of the targets.
 * @returns target → answer, undefined for one that hangs; a target that is missing was not asked.
 */
export async function askVolumes(
  targets: readonly string[],
  ask: (targets: readonly string[], limitMs: number) => Promise<Answer | undefined>,
  limits: VolumeLimits = volumeLimits,
): Promise<ReadonlyMap<string, Answer | undefined>> {
  const began = performance.now();
  const answers = new Map<string, Answer | undefined>();
  const pending = inGroups(targets, targets.length > limits.atOnce ? groupSize : 1);
  const askInTurn = async (): Promise<void> => {
    for (let group = pending.shift(); group !== undefined; group = pending.shift()) {
      if (performance.now() - began > limits.lastMs) return;
      const answer = await ask(group, group.length > 1 ? limits.groupMs : limits.answerMs);
      if (group.length === 1 || answer?.status === 0) for (const target of group) answers.set(target, answer);
      else pending.push(...inGroups(group, 1));
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
