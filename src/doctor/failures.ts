import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ErrorClass } from '../errors.ts';
import type { DoctorContext } from './context.ts';
import { type Finding, ok, warning } from './finding.ts';
import { isNetworkMount } from './network-mount.ts';

/** What the record says of the mounts of late. */

/** A mount that failed, as it stands in the record. */
export interface RecordedFailure {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly message: string;
  readonly subject: string | undefined;
  readonly errorClass: string | undefined;
  /** An earlier call had found it. */
  readonly isRemembered: boolean;
  readonly hint: string | undefined;
}

/** Enough for some hundred failures; the record may be of any size. */
const readBytes = 256 * 1024;
const hourMs = 3_600_000;

export function checkFailures({ manifest, entries }: DoctorContext): readonly Finding[] {
  const { to, file } = manifest.log;
  if (to !== 'file' || isNetworkMount(file, entries)) return [];
  return [judgeFailures(file, recordedFailures(lastOf(file)), Date.now())];
}

/** Whether the last failure was of this class, and lately. */
export function hasFailedLately({ manifest, entries }: DoctorContext, errorClass: ErrorClass): boolean {
  const { to, file } = manifest.log;
  if (to !== 'file' || isNetworkMount(file, entries)) return false;
  const last = recordedFailures(lastOf(file)).at(-1);
  return last?.errorClass === errorClass && last.at > Date.now() - hourMs;
}

function lastOf(file: string): string {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return ''; // Nothing has failed yet.
  }
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, readBytes));
    const length = readSync(fd, bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(fd);
  }
}

/** pino's number for an error. */
const errorLevel = 50;

/** The mounts in the record that failed, one JSON object a line; what is no such line is left out. */
export function recordedFailures(text: string): readonly RecordedFailure[] {
  return text.split('\n').flatMap((line) => {
    const entry = parseLine(line);
    const at = new Date(typeof entry?.time === 'number' ? entry.time : String(entry?.time)).getTime();
    if (entry === undefined || Number.isNaN(at)) return [];
    if (typeof entry.level === 'number' && entry.level < errorLevel) return [];
    // Whoever ran another command has read why it failed.
    if (entry.command !== undefined && entry.command !== 'mount') return [];
    const { msg, subject, errorClass = entry.class, hint } = entry;
    return [
      {
        at,
        message: String(msg),
        subject: textOf(subject),
        errorClass: textOf(errorClass),
        isRemembered: entry.isRemembered === true,
        hint: textOf(hint),
      },
    ];
  });
}

function parseLine(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** @param now milliseconds since 1970. */
export function judgeFailures(file: string, failures: readonly RecordedFailure[], now: number): Finding {
  const recent = failures.filter(({ at }) => at > now - hourMs && at <= now);
  const last = failures.at(-1);
  if (last === undefined) return ok('failures', file, 'no failure is on record');
  const { at, subject, errorClass, message, hint = 'see what the helper said in the record' } = last;
  const what = [subject, message].filter((part) => part !== undefined).join(': ');
  const described = `the last at ${new Date(at).toISOString()} (${errorClass ?? 'no class'}): ${what}`;
  if (recent.length === 0) return ok('failures', file, `none within the last hour; ${described}`);
  const remembered = recent.filter(({ isRemembered }) => isRemembered).length;
  const of = remembered === 0 ? '' : ` (${remembered} of them at once, as remembered from an earlier call)`;
  return warning('failures', file, `${recent.length} within the last hour${of}, ${described}`, hint);
}
