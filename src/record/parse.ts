import { type ErrorClass, errorClasses } from '../errors.ts';
import type { CallRecord } from './line.ts';

/** A call as it was read back from the record. */
export interface RecordedCall extends CallRecord {
  /** In ms since 1970: when the call ended. */
  readonly timeMs: number;
  readonly pid: number;
}

/** Whether it is counted as a mount; one that is fake, or wrong as a call, has never begun to be one. */
export function isCountedMount({ command, isFake, errorClass }: RecordedCall): boolean {
  return command === 'mount' && !isFake && errorClass !== 'usage';
}

/** What failed, and how: of a mount on its target it is the target, which whoever shows the call shows anyway. */
export function failureWords({
  subject,
  target,
  msg,
}: Pick<CallRecord, 'subject' | 'target' | 'msg'>): string {
  return subject === undefined || subject === target ? msg : `${subject}: ${msg}`;
}

/** Where every line begins; nothing inside a JSON text looks like it, for quotes are escaped there. */
const lineStart = '{"level":';

/** The calls of a record's `text`, in its order. Lines cut short by a full disk, or of other hands, are left out. */
export function parseRecord(text: string): readonly RecordedCall[] {
  const calls: RecordedCall[] = [];
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const call = parseLine(text.slice(start, end));
    if (call !== undefined) calls.push(call);
    start = end + 1;
  }
  return calls;
}

function parseLine(line: string): RecordedCall | undefined {
  const start = line.lastIndexOf(lineStart);
  if (start < 0) return undefined;
  try {
    return toCall(JSON.parse(line.slice(start)));
  } catch {
    return undefined;
  }
}

type Fields = { readonly [name: string]: unknown };

/** What the reader goes by is checked; all the rest is text to show. */
function toCall(json: unknown): RecordedCall | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const fields = json as Fields;
  const { level: _level, time, totalMs, status, pid, command, errorClass, msg } = fields;
  const timeMs = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  if (Number.isNaN(timeMs) || typeof command !== 'string' || typeof status !== 'number') return undefined;
  return {
    ...texts(fields),
    command,
    status,
    timeMs,
    pid: typeof pid === 'number' ? pid : 0,
    totalMs: typeof totalMs === 'number' && totalMs >= 0 ? totalMs : 0,
    msg: typeof msg === 'string' ? msg : '',
    errorClass: errorClass === undefined ? undefined : classOf(errorClass),
    wasMounted: fields.wasMounted === true,
    isFake: fields.isFake === true || undefined,
    isRemembered: fields.isRemembered === true || undefined,
    steps: typeof fields.steps === 'object' ? (fields.steps as Record<string, number>) : undefined,
    arguments: Array.isArray(fields.arguments) ? fields.arguments.map(String) : undefined,
  };
}

const textNames = [
  'calledAs',
  'fstype',
  'source',
  'target',
  'options',
  'subject',
  'hint',
  'helperOutput',
] as const;

function texts(fields: Fields): { readonly [Name in (typeof textNames)[number]]?: string } {
  return Object.fromEntries(
    textNames.flatMap((name) => (typeof fields[name] === 'string' ? [[name, fields[name]]] : [])),
  );
}

/** Another version of mounter may know other classes. */
function classOf(value: unknown): ErrorClass {
  return errorClasses.find((known) => known === value) ?? 'unknown';
}
