import { beginningOf, endOf } from '../record/bounded.ts';
import { isCountedMount, type RecordedCall } from '../record/parse.ts';
import type { NodeRecord } from '../record/read.ts';
import { addCalls } from '../record/totals.ts';

/** What the record of calls says, in as much as a page can hold. */
export interface CallsReport {
  /** All of the record that was read, or of the time that was asked for. */
  readonly total: number;
  /** Oldest first: the last ones, and before them the last that failed. */
  readonly shown: readonly ReportedCall[];
  readonly leftOut: number;
  /** Of a record that is too long to be read, what comes before all of these calls. */
  readonly unreadBytes: number;
  readonly failures: readonly FailureClass[];
  readonly durations: readonly DurationsOfType[];
  /** Mounts since there is a record, by type and class, also those whose lines are gone. */
  readonly ever: readonly { readonly fstype: string; readonly class: string; readonly count: number }[];
  /** Spans of the same length that follow each other; none where there was no mount. */
  readonly activity: readonly Span[];
}

export interface ReportedCall extends Omit<RecordedCall, 'timeMs' | 'steps'> {
  readonly time: string;
  readonly steps: Readonly<Record<string, number>>;
}

export interface FailureClass {
  readonly class: string;
  readonly count: number;
  readonly first: string;
  readonly last: string;
  /** Of the last one. */
  readonly subject: string | null;
  readonly message: string;
  readonly hint: string | null;
}

/** By nearest rank, in ms. */
export interface DurationsOfType {
  readonly fstype: string;
  readonly result: 'success' | 'failure';
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly maximum: number;
}

export interface Span {
  readonly from: string;
  readonly succeeded: number;
  readonly failed: number;
}

const mostCalls = 150;
const mostFailures = 50;
const mostSpans = 48;
/** So many types have figures of their own: a caller may ask for any. */
const mostTypes = 12;

/** @param sinceMs calls before it count for nothing, in ms since 1970. */
export function callsReport({ totals, calls: all, unreadBytes }: NodeRecord, sinceMs: number): CallsReport {
  const calls = all.filter(({ timeMs }) => timeMs >= sinceMs);
  const last = calls.slice(-mostCalls);
  const failedBefore = calls.slice(0, -mostCalls).filter(isFailure).slice(-mostFailures);
  const shown = [...failedBefore, ...last];
  const mounts = calls.filter(isCountedMount);
  return {
    total: calls.length,
    shown: shown.map(reported),
    leftOut: calls.length - shown.length,
    unreadBytes,
    failures: failureClasses(calls.filter(isFailure)),
    durations: durations(mounts),
    ever: addCalls(totals, all).mounts.map(({ fstype, class: of, count }) => ({ fstype, class: of, count })),
    activity: activity(mounts),
  };
}

function isFailure({ errorClass }: RecordedCall): boolean {
  return errorClass !== undefined;
}

/** Texts of others, and steps: what another hand has written into the record is cut, and what is no time is left out. */
export function reported({ timeMs, steps = {}, ...call }: RecordedCall): ReportedCall {
  const cut = (text: string | undefined, bytes = 600) => text && beginningOf(text, bytes);
  const timed = Object.entries(steps ?? {}).filter(([, ms]) => typeof ms === 'number' && Number.isFinite(ms));
  return {
    time: timeOf(timeMs),
    ...call,
    command: beginningOf(call.command, 40),
    calledAs: cut(call.calledAs, 40),
    fstype: cut(call.fstype, 40),
    source: cut(call.source),
    target: cut(call.target),
    options: cut(call.options),
    arguments: call.arguments?.slice(0, 12).map((word) => beginningOf(word, 300)),
    subject: cut(call.subject),
    hint: cut(call.hint),
    msg: beginningOf(call.msg, 600),
    helperOutput: call.helperOutput && endOf(call.helperOutput, 1500),
    steps: Object.fromEntries(timed.slice(0, 24).map(([name, ms]) => [beginningOf(name, 40), ms])),
  };
}

/** @returns `-` for a time that no date can be. */
function timeOf(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : '-';
}

/** The most frequent first. */
function failureClasses(failures: readonly RecordedCall[]): readonly FailureClass[] {
  const byClass = Map.groupBy(failures, ({ errorClass = 'unknown' }) => errorClass);
  return [...byClass]
    .sort(([, a], [, b]) => b.length - a.length)
    .flatMap(([name, calls]) => {
      const [first, last] = [calls[0], calls.at(-1)];
      if (first === undefined || last === undefined) return [];
      const { time, subject = null, msg, hint = null } = reported(last);
      return [
        {
          class: name,
          count: calls.length,
          first: timeOf(first.timeMs),
          last: time,
          subject,
          message: msg,
          hint,
        },
      ];
    });
}

function durations(mounts: readonly RecordedCall[]): readonly DurationsOfType[] {
  const key = (call: RecordedCall) =>
    JSON.stringify([
      beginningOf(call.fstype || 'unknown', 40),
      call.errorClass === undefined ? 'success' : 'failure',
    ]);
  return [...Map.groupBy(mounts, key)]
    .sort(([, a], [, b]) => b.length - a.length)
    .slice(0, mostTypes)
    .map(([name, calls]) => {
      const [fstype, result] = JSON.parse(name);
      const times = calls.map(({ totalMs }) => totalMs).sort((a, b) => a - b);
      const rank = (percent: number) =>
        times[Math.max(0, Math.ceil((percent / 100) * times.length) - 1)] ?? 0;
      return {
        fstype,
        result,
        count: times.length,
        p50: rank(50),
        p90: rank(90),
        p99: rank(99),
        maximum: rank(100),
      };
    });
}

/** In the order of the record, which a clock that was set may have turned round. */
function activity(mounts: readonly RecordedCall[]): readonly Span[] {
  const times = mounts.map(({ timeMs }) => timeMs);
  const first = times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const last = times.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (times.length === 0) return [];
  const spans = Math.min(mostSpans, Math.ceil((last - first + 1) / 1000));
  const length = Math.max(1000, (last - first + 1) / spans);
  const counts = Array.from({ length: spans }, () => ({ succeeded: 0, failed: 0 }));
  for (const call of mounts) {
    const span = counts[Math.min(spans - 1, Math.floor((call.timeMs - first) / length))];
    if (span === undefined) continue;
    if (isFailure(call)) span.failed += 1;
    else span.succeeded += 1;
  }
  return counts.map((count, index) => ({ from: timeOf(first + index * length), ...count }));
}
