/** Whether this is `npm test long long-vm`, as before a release: scripts/suites.ts sets it for them. */
export const isLongRun = process.env.LONG_RUN === 'yes';

/**
 * The rows of a table that takes too long for every run: usually each `step`th, in a long run all.
 * @param step with no divisor in common with a period of the table, of which it would take the same each time.
 * @param first the index of the first of them, below `step`: a second way through the same table takes other rows by it.
 */
export function everyNth<Row>(step: number, rows: readonly Row[], first = 0): readonly Row[] {
  return isLongRun ? rows : rows.filter((_, index) => index % step === first);
}

/** How often to do what goes wrong now and then, or piles up. */
export function rounds(usual: number, long: number): number {
  return isLongRun ? long : usual;
}

/** Moments all over a call, in seconds as timeout(1) takes them: one by chance in each of as many equal parts. */
export function momentsOver(count: number, fromSeconds: number, toSeconds: number): readonly string[] {
  const part = (toSeconds - fromSeconds) / count;
  return Array.from({ length: count }, (_, index) =>
    (fromSeconds + part * (index + Math.random())).toFixed(3),
  );
}
