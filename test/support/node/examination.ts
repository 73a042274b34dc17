import type { Finding } from '../../../src/doctor/finding.ts';
import type { Verdict } from '../../../src/doctor/verdict.ts';

/** What `mounter doctor --json` prints. */
export interface Examination {
  readonly isEnabled: boolean;
  readonly wouldMount: boolean;
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
}

/** Whether a machine that has much else to do kept a question from its answer: then it is to be asked once more. */
export function isHurried({ findings }: Examination): boolean {
  return findings.some(({ message }) => /^(no answer|did not say its version) within /.test(message));
}

/** `LEVEL CHECK SUBJECT` of whatever is not ok, in its order. */
export function complaints({ findings }: Examination): readonly string[] {
  return findings
    .filter(({ level }) => level !== 'ok')
    .map(({ level, check, subject }) => `${level} ${check} ${subject}`);
}
