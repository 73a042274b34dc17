/**
 * Of a long table whose rows take seconds each: every `step`th row; all of them in `npm test long long-vm`, before a
 * release.
 * @param first which of the first `step` rows to begin with: where a table is gone through in two ways, each row has its
 *   turn in one of them.
 */
export function everyNth<Row>(step: number, rows: readonly Row[], first = 0): readonly Row[] {
  return isWhole ? rows : rows.filter((_, index) => index % step === first);
}

/** How many rounds of the same, which find what piles up or happens now and then: `usual`, and in those suites `whole`. */
export function rounds(usual: number, whole: number): number {
  return isWhole ? whole : usual;
}

/** Set for those suites: scripts/suites.ts. */
const isWhole = process.env.LONG_RUN === 'yes';
