import type { RecordPlace } from '../record/destination.ts';
import { readRecord } from '../record/read.ts';
import { type Counts, type MountSummary, summarizeMounts } from '../record/summary.ts';
import { table } from './tables.ts';

/** The mounts of late. @returns null when the record cannot be read, such as by anyone but root. */
export async function readHistory(place: RecordPlace): Promise<MountSummary | null> {
  try {
    return summarizeMounts((await readRecord(place)).calls, Date.now());
  } catch {
    return null;
  }
}

/** The section of `mounter status`. */
export function describeHistory(history: MountSummary | null): string {
  if (history === null) return 'mounts of late: unknown, the record cannot be read; mounter log says why\n';
  const { lastHour, lastDay, lastFailure } = history;
  const counts = table([
    ['MOUNTS', 'SUCCEEDED', 'FAILED'],
    ['last hour', String(lastHour.succeeded), describeFailures(lastHour)],
    ['last day', String(lastDay.succeeded), describeFailures(lastDay)],
  ]);
  if (lastFailure === null) return counts;
  const { time, errorClass, target, message, hint } = lastFailure;
  const what = `${target === null ? '' : `${target}: `}${message}`;
  const rows = [
    ['last failure', `${time}, ${errorClass}`],
    ['', what],
    ...(hint ? [['', `hint: ${hint}`]] : []),
  ];
  return `${counts}${table(rows)}`;
}

function describeFailures({ failed, remembered }: Counts): string {
  const classes = Object.entries(failed);
  const total = classes.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return '0';
  const rest = remembered === 0 ? '' : `; ${remembered} of them at once, as remembered from an earlier call`;
  return `${total}: ${classes.map(([name, count]) => `${name} ${count}`).join(', ')}${rest}`;
}
