import { shortened, table, usualWidth, wrapped } from '../columns.ts';
import { failureWords } from '../record/parse.ts';
import type { Counts, MountSummary } from '../record/summary.ts';

/** The section of `mounter status`. @param history null where the record cannot be read. @param width of the terminal; undefined for whole lines. */
export function describeHistory(history: MountSummary | null, width?: number): string {
  if (history === null) return 'recent mounts: unknown, the record cannot be read; mounter log says why\n';
  const { lastHour, lastDay, lastFailure } = history;
  const counts = table(
    [
      ['MOUNTS', 'SUCCEEDED', 'FAILED'],
      ...countRows('last hour', lastHour, width),
      ...countRows('last day', lastDay, width),
    ],
    width,
  );
  if (lastFailure === null) return counts;
  const { time, errorClass, target, subject, message, hint } = lastFailure;
  const shown = target !== null && width !== undefined ? shortened(target, width - besideFailure) : target;
  const words = failureWords({ subject: subject ?? undefined, target: target ?? undefined, msg: message });
  const what = `${shown === null ? '' : `${shown}: `}${words}`;
  const rows = [
    ['last failure', `${time}, ${errorClass}`],
    ['', what],
    ...(hint ? [['', `hint: ${hint}`]] : []),
  ];
  return `${counts}${table(rows, width)}`;
}

/** Columns before the last failure, and the colon behind its target. */
const besideFailure = 15;

/** Columns before the failures, and the blank after them. */
const besideFailures = 23;

function countRows(
  name: string,
  { succeeded, failed, remembered }: Counts,
  width = usualWidth,
): readonly (readonly string[])[] {
  const classes = Object.entries(failed);
  const total = classes.reduce((sum, [, count]) => sum + count, 0);
  const words = classes.map(([errorClass, count]) => `${errorClass} ${count}`);
  const [first = '0', ...others] = wrapped(
    total === 0 ? '0' : `${total}: ${words.join(', ')}`,
    Math.min(width, usualWidth) - besideFailures,
    / (?=[a-z])/,
  );
  return [
    [name, String(succeeded), first],
    ...others.map((line) => ['', '', line]),
    ...(remembered === 0
      ? []
      : [['', '', `${remembered} of them at once, as remembered from an earlier call`]]),
  ];
}
