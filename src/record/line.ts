import type { ErrorClass } from '../errors.ts';
import { beginningOf, endOf, longestEscape, maximumLineBytes } from './bounded.ts';

/** One call of `mounter`, as its line in the record has it; the log level, time and pid are the line's own. */
export interface CallRecord {
  readonly command: string;
  /** `mount.nfs` and its like, where the call came under that name. */
  readonly calledAs?: string | undefined;
  readonly fstype?: string | undefined;
  readonly source?: string | undefined;
  readonly target?: string | undefined;
  /** Secrets are masked. */
  readonly options?: string | undefined;
  /** `-f`: nothing was to be mounted. */
  readonly isFake?: true | undefined;
  /** Of every other command; secrets are masked. */
  readonly arguments?: readonly string[] | undefined;
  /** How long each step of the plan took, in ms, in their order; the last one is where a mount failed. */
  readonly steps?: Readonly<Record<string, number>> | undefined;
  readonly totalMs: number;
  /** The exit status. */
  readonly status: number;
  readonly wasMounted?: boolean | undefined;
  /** Of a failure, as the four after it. */
  readonly errorClass?: ErrorClass | undefined;
  /** An earlier call had found it, and this one asked nobody. */
  readonly isRemembered?: true | undefined;
  readonly subject?: string | undefined;
  readonly hint?: string | undefined;
  readonly helperOutput?: string | undefined;
  /** What happened, in a few words: the message of a failure. */
  readonly msg: string;
}

/** pino's numbers for info and error. */
export const level = { success: 30, failure: 50 } as const;

/** A failure is one that `mounter` explained: the status of a command that it ran for somebody is no class. */
export function levelOf({ errorClass }: CallRecord): number {
  return errorClass === undefined ? level.success : level.failure;
}

/**
 * The line that pino would write for `record`, newline included, at most `maximumLineBytes` long:
 *
 * ```
 * {"level":30,"time":"2026-01-31T12:00:00.000Z","pid":321,"command":"mount","fstype":"nfs",…,"msg":"mounted"}
 * ```
 * pino itself takes longer to load than a mount takes.
 */
export function recordLine(record: CallRecord, time: Date, pid: number): string {
  const head = { level: levelOf(record), time: time.toISOString(), pid };
  const written = ({ msg, ...fields }: CallRecord) => JSON.stringify({ ...head, ...fields, msg });
  const line = written(record);
  return oneLine(`${isSurelyShort(line.length) ? line : written(boundedRecord(record))}\n`);
}

/** DEL, C1 controls and line separators too are nothing for a terminal: JSON allows them as they are. */
export function oneLine(json: string): string {
  // Nearly every one; to look for the others takes many times as long.
  if (/^[ -~]*\n?$/.test(json)) return json;
  return json.replace(
    /[\x7f-\x9f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** All of these together stay below `maximumLineBytes`. */
const maximumBytes = {
  command: 100,
  source: 1536,
  target: 2560,
  options: 2048,
  arguments: 2560,
  subject: 1280,
  hint: 1024,
  helperOutput: 4096,
  msg: 1536,
} as const;

/** The record, every text in it cut to its share where all together might be too long for a line. */
export function boundedRecord(record: CallRecord): CallRecord {
  return isSurelyShort(JSON.stringify(record).length) ? record : cutRecord(record);
}

function isSurelyShort(length: number): boolean {
  return length * longestEscape + headBytes <= maximumLineBytes;
}

/** Level, time, pid and the braces. */
const headBytes = 200;

function cutRecord(record: CallRecord): CallRecord {
  const cut = (name: 'fstype' | 'source' | 'target' | 'options' | 'subject' | 'hint') => {
    const text = record[name];
    return text && beginningOf(text, name === 'fstype' ? maximumBytes.command : maximumBytes[name]);
  };
  return {
    ...record,
    command: beginningOf(record.command, maximumBytes.command),
    fstype: cut('fstype'),
    source: cut('source'),
    target: cut('target'),
    options: cut('options'),
    arguments: record.arguments && boundedArguments(record.arguments),
    subject: cut('subject'),
    hint: cut('hint'),
    helperOutput: record.helperOutput && endOf(record.helperOutput, maximumBytes.helperOutput),
    msg: beginningOf(record.msg, maximumBytes.msg),
  };
}

const maximumArguments = 8;

function boundedArguments(words: readonly string[]): readonly string[] {
  const share = Math.floor(maximumBytes.arguments / maximumArguments);
  return words.slice(0, maximumArguments).map((word) => beginningOf(word, share));
}
