import type { Finding } from '../../../src/doctor/finding.ts';
import type { Verdict } from '../../../src/doctor/verdict.ts';

/** What `mounter doctor --json` prints. */
export interface Examination {
  readonly isEnabled: boolean;
  readonly wouldMount: boolean;
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
}

/** `LEVEL CHECK SUBJECT` of whatever is not ok, in its order. */
export function complaints({ findings }: Examination): readonly string[] {
  return findings
    .filter(({ level }) => level !== 'ok')
    .map(({ level, check, subject }) => `${level} ${check} ${subject}`);
}
