import { isCountedMount, type RecordedCall } from './parse.ts';

/** The mounts of late, for people and for `status --json`. */
export interface MountSummary {
  readonly lastHour: Counts;
  readonly lastDay: Counts;
  readonly lastFailure: LastFailure | null;
}

export interface Counts {
  readonly succeeded: number;
  /** By class; the most frequent first. */
  readonly failed: Readonly<Record<string, number>>;
  /** How many of those that failed had it from an earlier call. */
  readonly remembered: number;
}

export interface LastFailure {
  readonly time: string;
  readonly errorClass: string;
  readonly isRemembered: boolean;
  readonly source: string | null;
  readonly target: string | null;
  /** What the message is about: the target, an option, a file; null where the message says it all. */
  readonly subject: string | null;
  readonly message: string;
  readonly hint: string | null;
}

const hourMs = 3_600_000;

export function summarizeMounts(calls: readonly RecordedCall[], nowMs: number): MountSummary {
  const mounts = calls.filter(isCountedMount);
  const since = (ms: number) => countsOf(mounts.filter(({ timeMs }) => timeMs > nowMs - ms));
  const failure = mounts.findLast(({ errorClass }) => errorClass !== undefined);
  return {
    lastHour: since(hourMs),
    lastDay: since(24 * hourMs),
    lastFailure: failure === undefined ? null : lastFailureOf(failure),
  };
}

function countsOf(mounts: readonly RecordedCall[]): Counts {
  const failed = new Map<string, number>();
  for (const { errorClass } of mounts)
    if (errorClass !== undefined) failed.set(errorClass, (failed.get(errorClass) ?? 0) + 1);
  const succeeded = mounts.filter(({ errorClass }) => errorClass === undefined).length;
  const remembered = mounts.filter(({ isRemembered }) => isRemembered).length;
  return { succeeded, failed: Object.fromEntries([...failed].sort(([, a], [, b]) => b - a)), remembered };
}

function lastFailureOf({ timeMs, errorClass = 'unknown', ...call }: RecordedCall): LastFailure {
  const { isRemembered = false, source = null, target = null, subject = null, hint = null, msg } = call;
  return {
    time: new Date(timeMs).toISOString(),
    errorClass,
    isRemembered,
    source,
    target,
    subject,
    message: msg,
    hint,
  };
}
