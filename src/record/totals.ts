import { isCountedMount, type RecordedCall } from './parse.ts';

/** Upper bounds in seconds: from a healthy mount on a near server to the deadline that the manifest sets. */
export const durationBounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 110] as const;

/** How long calls of a kind took. */
export interface Durations {
  readonly count: number;
  readonly totalMs: number;
  /** How many took at most each of `durationBounds` and longer than the one before; the last is for longer ones. */
  readonly buckets: readonly number[];
}

export const noDurations: Durations = {
  count: 0,
  totalMs: 0,
  buckets: Array.from({ length: durationBounds.length + 1 }, () => 0),
};

export function plusDuration({ count, totalMs, buckets }: Durations, ms: number): Durations {
  const bound = durationBounds.findIndex((seconds) => ms <= seconds * 1000);
  const bucket = bound < 0 ? durationBounds.length : bound;
  return {
    count: count + 1,
    totalMs: totalMs + ms,
    buckets: buckets.map((each, index) => (index === bucket ? each + 1 : each)),
  };
}

/** The mounts of one filesystem type with one outcome. */
export interface MountTotals extends Durations {
  readonly fstype: string;
  readonly result: 'success' | 'failure';
  /** `none` for a success. */
  readonly class: string;
  /** How many of them had it from an earlier call; not in files of before there was such a thing. */
  readonly remembered?: number;
}

/** All mounts that there were, as counters. */
export interface Totals {
  readonly mounts: readonly MountTotals[];
  /** In ms since 1970. */
  readonly lastFailureMs: number | null;
}

export const noTotals: Totals = { mounts: [], lastFailureMs: null };

/** A caller may ask for any type; each that is counted is a time series on the monitoring server for good. */
const maximumTypes = 12;
const otherType = 'other';

/** `totals` and what `calls` add to them; only mounts count. The same calls in the same order give the same. */
export function addCalls(totals: Totals, calls: readonly RecordedCall[]): Totals {
  const mounts = new Map(totals.mounts.map((each) => [keyOf(each), each]));
  const types = new Set(totals.mounts.map(({ fstype }) => fstype));
  let { lastFailureMs } = totals;
  for (const call of calls) {
    if (!isCountedMount(call)) continue;
    const isFailure = call.errorClass !== undefined;
    if (isFailure) lastFailureMs = Math.max(lastFailureMs ?? 0, call.timeMs);
    const outcome = {
      fstype: typeOf(call, types),
      result: isFailure ? ('failure' as const) : ('success' as const),
      class: call.errorClass ?? 'none',
    };
    mounts.set(keyOf(outcome), plusOne(mounts.get(keyOf(outcome)) ?? { ...outcome, ...noDurations }, call));
  }
  return { mounts: [...mounts.values()], lastFailureMs };
}

function keyOf(of: Pick<MountTotals, 'fstype' | 'result' | 'class'>): string {
  return `${of.fstype} ${of.result} ${of.class}`;
}

function plusOne(totals: MountTotals, { totalMs, isRemembered }: RecordedCall): MountTotals {
  return {
    ...totals,
    ...plusDuration(totals, totalMs),
    ...(isRemembered ? { remembered: (totals.remembered ?? 0) + 1 } : {}),
  };
}

function typeOf({ fstype = '' }: RecordedCall, types: Set<string>): string {
  if (types.has(fstype)) return fstype;
  if (!/^[a-z0-9][a-z0-9._-]{0,31}$/.test(fstype) || types.size >= maximumTypes) return otherType;
  types.add(fstype);
  return fstype;
}
