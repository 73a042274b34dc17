import type { Finding } from '../../../src/doctor/finding.ts';
import type { Verdict } from '../../../src/doctor/verdict.ts';

/** What `mounter doctor --json` prints. */
export interface Examination {
  readonly isEnabled: boolean;
  readonly wouldMount: boolean;
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
}

/** Asks once more where a machine that has much else to do kept a question from its answer. */
export function askedInPeace<T extends Examination>(ask: () => Promise<T>): Promise<T> {
  return askedUnless(
    ({ findings }) =>
      findings.some(({ message }) => /^(no answer|did not say its version) within /.test(message)),
    ask,
    5,
  );
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
