import { closeSync } from 'node:fs';
import type { ErrorClass } from '../errors.ts';
import { openRegularFile, readAll } from '../record/files.ts';
import { isCountedMount, parseRecord, type RecordedCall } from '../record/parse.ts';
import { type DoctorContext, isNetworkMount } from './context.ts';
import { type Advice, ok, warning } from './finding.ts';

/** What the record of calls says of the last mounts. */

/** Enough for some hundred failures; the record may be of any size. */
const readBytes = 256 * 1024;
const hourMs = 3_600_000;

/** What is said of a record where something else lies. */
export const noRegularRecord = {
  message: 'is no regular file: no call is recorded',
  hint: 'move it away; the next call makes a new one',
} as const;

export function checkFailures(context: DoctorContext): readonly Advice[] {
  const calls = lastCalls(context);
  const { file } = context.manifest.log;
  if (calls !== undefined && (context.host.lstat(file)?.kind ?? 'file') !== 'file')
    return [warning(file, noRegularRecord.message, noRegularRecord.hint)];
  return calls === undefined ? [] : [judgeFailures(context.manifest.log.file, calls, Date.now())];
}

/** Whether the last failure was of this class, and within the last hour. */
export function hasFailedLately(context: DoctorContext, errorClass: ErrorClass): boolean {
  const last = (lastCalls(context) ?? []).findLast(isFailedMount);
  return last?.errorClass === errorClass && last.timeMs > Date.now() - hourMs;
}

/** @returns undefined where the record is in no file, or lies on a server that may not answer. */
function lastCalls({ manifest, entries }: DoctorContext): readonly RecordedCall[] | undefined {
  const { to, file } = manifest.log;
  return to !== 'file' || isNetworkMount(file, entries) ? undefined : parseRecord(lastOf(file));
}

function lastOf(file: string): string {
  const fd = openRegularFile(file);
  if (fd === undefined) return ''; // Nothing has been recorded yet.
  try {
    return readAll(fd, readBytes).toString('utf8');
  } finally {
    closeSync(fd);
  }
}

/** Whoever ran another command, or this one with a mistake in it, has read why it failed. */
function isFailedMount(call: RecordedCall): boolean {
  return isCountedMount(call) && call.errorClass !== undefined;
}

/**
 * @param calls in their order.
 * @param now milliseconds since 1970.
 */
export function judgeFailures(file: string, calls: readonly RecordedCall[], now: number): Advice {
  const failures = calls.filter(isFailedMount);
  const recent = failures.filter(({ timeMs }) => timeMs > now - hourMs && timeMs <= now);
  const last = recent.findLast((failure) => !wasMountedAfter(failure, calls)) ?? failures.at(-1);
  if (last === undefined) return ok(file, 'no failure is on record');
  const { timeMs, subject, errorClass, msg } = last;
  const what = [subject, msg].filter((part) => part !== undefined).join(': ');
  const described = `the last at ${new Date(timeMs).toISOString()} (${errorClass}): ${what}`;
  if (recent.length === 0) return ok(file, `none within the last hour; ${described}`);
  const remembered = recent.filter(({ isRemembered }) => isRemembered).length;
  const of = remembered === 0 ? '' : ` (${remembered} of them at once, as remembered from an earlier call)`;
  const count = `${recent.length} within the last hour${of}`;
  if (wasMountedAfter(last, calls)) return ok(file, `${count}, each mounted since; ${described}`);
  return warning(file, `${count}, ${described}`, hintOf(last, calls));
}

/** kubelet calls again for the same target until it is mounted. */
function wasMountedAfter(failure: RecordedCall, calls: readonly RecordedCall[]): boolean {
  return after(failure, calls).some(
    ({ command, status, target, isFake }) =>
      command === 'mount' && status === 0 && !isFake && target === failure.target,
  );
}

/** What a hint says of the command that shows it here, with what that does. */
const ofDoctor = /^run mounter doctor(?:(?:, which| to see) .*?)?(?=;|, then |, and mounter |$)/;

/** What was to be done need not be said once it has been done. */
function hintOf(failure: RecordedCall, calls: readonly RecordedCall[]): string {
  const { hint = 'see what the helper said in the record' } = failure;
  const named = /^run mounter ([\w-]+)/.exec(hint)?.[1];
  const isDone = after(failure, calls).some(({ command, status }) => command === named && status === 0);
  if (isDone) return `mounter ${named} has run since: see whether the next mount works`;
  return hint.replace(ofDoctor, 'see the other findings');
}

function after(call: RecordedCall, calls: readonly RecordedCall[]): readonly RecordedCall[] {
  return calls.slice(calls.indexOf(call) + 1);
}
