import type { Finding } from '../../../src/doctor/finding.ts';
import type { Verdict } from '../../../src/doctor/verdict.ts';

/** What `mounter doctor --json` prints. */
export interface Examination {
  readonly isEnabled: boolean;
  readonly wouldMount: boolean;
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
}

/** Whether a machine that has much else to do kept a question from its answer. */
export function isHurried({ findings }: Pick<Examination, 'findings'>): boolean {
  const words = /^(no answer|did not say its version) within |too busy to read all of it within/;
  return findings.some(({ message }) => words.test(message));
}

/** Asks again where it is so. */
export function askedInPeace<T extends Examination>(ask: () => Promise<T>): Promise<T> {
  return askedUnless(isHurried, ask, 5);
}

/** Asks again where the answer is that of a hurry. */
export async function askedUnless<T>(
  isHurried: (answer: T) => boolean,
  ask: () => Promise<T>,
  tries: number,
): Promise<T> {
  const answer = await ask();
  return isHurried(answer) && tries > 1 ? askedUnless(isHurried, ask, tries - 1) : answer;
}

export interface Examined extends Examination {
  readonly status: number;
  readonly milliseconds: number;
}

/** `LEVEL CHECK SUBJECT` of whatever is not ok, in its order. */
export function complaints({ findings }: Examination): readonly string[] {
  return findings
    .filter(({ level }) => level !== 'ok')
    .map(({ level, check, subject }) => `${level} ${check} ${subject}`);
}
