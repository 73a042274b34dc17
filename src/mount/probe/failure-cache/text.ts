import { type Finding, refusalRanks } from '../probe-failure.ts';
import { maximumBytes } from './file.ts';

/** An answer in a file of the memory. */
export interface Entry {
  /** With the kind of filesystem, as JSON. */
  readonly question: string;
  /** Where it was asked from. */
  readonly place: string;
  /** When, in milliseconds since the boot. */
  readonly atMs: number;
  /** Null when nothing spoke against the mount. */
  readonly probeFailure: Finding | null;
}

/** More servers than that share no file in time. */
const maximumEntries = 16;

/** The newest of `entries`, as many as there is room for; newline-terminated. */
export function textOf(entries: readonly Entry[]): string {
  const kept = entries.slice(-maximumEntries);
  const text = `${JSON.stringify(kept)}\n`;
  // A UTF-16 unit takes at most 3 bytes.
  return text.length * 3 <= maximumBytes || kept.length <= 1 ? text : textOf(kept.slice(1));
}

/** What `textOf` has written; of any other text what looks like it, and nothing of the rest. */
export function entriesOf(text: string): readonly Entry[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return [];
  }
  return Array.isArray(json) ? json.slice(0, maximumEntries).filter(isEntry) : [];
}

type Fields = { readonly [name: string]: unknown };

function isEntry(value: unknown): value is Entry {
  if (!isObject(value)) return false;
  const { question, place, atMs, probeFailure } = value;
  if (typeof question !== 'string' || typeof place !== 'string' || !isTime(atMs)) return false;
  return probeFailure === null || (isObject(probeFailure) && isFinding(probeFailure));
}

function isFinding({
  kind,
  server,
  address,
  port,
  connection,
  service,
  isSilent,
  waitedMs,
  family,
  others,
}: Fields): boolean {
  if (typeof server !== 'string') return false;
  switch (kind) {
    case 'unresolved':
      return typeof isSilent === 'boolean' && isTime(waitedMs);
    case 'unreachable':
      return (
        typeof address === 'string' &&
        Number.isInteger(port) &&
        isRefusal(connection) &&
        isTime(waitedMs) &&
        (others === undefined || areAttempts(others))
      );
    case 'otherFamily':
      return (family === 4 || family === 6) && areAttempts(others);
    case 'notRegistered':
      return service === 'nfs' || service === 'mountd';
    default:
      return false;
  }
}

function areAttempts(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (one) =>
        isObject(one) &&
        typeof one.address === 'string' &&
        Number.isInteger(one.port) &&
        isRefusal(one.connection),
    )
  );
}

function isRefusal(value: unknown): boolean {
  return typeof value === 'string' && Object.hasOwn(refusalRanks, value);
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value);
}
