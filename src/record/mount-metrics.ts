import type { MetricFamily, Sample } from './exposition.ts';
import { type Durations, durationBounds, type MountTotals, type Totals } from './totals.ts';

export const mountsTotal = 'mounter_mounts_total';

/** The metrics of all mounts there were. */
export function mountMetrics({ mounts, lastFailureMs }: Totals): readonly MetricFamily[] {
  return [
    {
      name: mountsTotal,
      help: 'Calls of mounter mount that were no usage errors, by filesystem type, result and class of failure.',
      type: 'counter',
      samples: mounts.map(({ fstype, result, class: errorClass, count }) => ({
        labels: { fstype, result, class: errorClass },
        value: count,
      })),
    },
    {
      name: 'mounter_remembered_failures_total',
      help: 'Those of them that failed at once, as remembered from an earlier call to the same server.',
      type: 'counter',
      samples: mounts.flatMap(({ fstype, class: errorClass, remembered = 0 }) =>
        remembered === 0 ? [] : [{ labels: { fstype, class: errorClass }, value: remembered }],
      ),
    },
    {
      name: 'mounter_mount_duration_seconds',
      help: 'How long calls of mounter mount took, by filesystem type and result.',
      type: 'histogram',
      samples: byTypeAndResult(mounts).flatMap(({ fstype, result, ...of }) =>
        histogram({ fstype, result }, of),
      ),
    },
    {
      name: 'mounter_last_failure_timestamp_seconds',
      help: 'When a mount failed last, in seconds since 1970.',
      type: 'gauge',
      samples: lastFailureMs === null ? [] : [{ value: lastFailureMs / 1000 }],
    },
  ];
}

/** The classes of failure together. */
function byTypeAndResult(mounts: readonly MountTotals[]): readonly MountTotals[] {
  const sums = new Map<string, MountTotals>();
  for (const each of mounts) {
    const key = `${each.fstype} ${each.result}`;
    const sum = sums.get(key);
    sums.set(key, sum === undefined ? each : plus(sum, each));
  }
  return [...sums.values()];
}

function plus(a: MountTotals, b: MountTotals): MountTotals {
  return {
    ...a,
    count: a.count + b.count,
    totalMs: a.totalMs + b.totalMs,
    buckets: a.buckets.map((count, index) => count + (b.buckets[index] ?? 0)),
  };
}

/** The samples of one, with these labels. */
export function histogram(
  labels: NonNullable<Sample['labels']>,
  { buckets, count, totalMs }: Durations,
): readonly Sample[] {
  let below = 0;
  const counts = durationBounds.map((bound, index): Sample => {
    below += buckets[index] ?? 0;
    return { suffix: '_bucket', labels: { ...labels, le: String(bound) }, value: below };
  });
  return [
    ...counts,
    { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
    { suffix: '_sum', labels, value: Math.round(totalMs) / 1000 },
    { suffix: '_count', labels, value: count },
  ];
}
