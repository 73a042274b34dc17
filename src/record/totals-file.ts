import { durationBounds, type MountTotals, noTotals, type Totals } from './totals.ts';

/** How much of a file is in the totals already. */
export interface Folded {
  /** The file's first bytes: no two begin with the same time and pid. An inode's number is soon another's. */
  readonly head: string;
  readonly bytes: number;
}

/** `FILE.totals`: the mounts of what has been rotated away. */
export interface TotalsFile {
  readonly totals: Totals;
  /** The last file that was folded: it may still be there when a rotation was broken off. */
  readonly folded: Folded | null;
}

const headBytes = 256;

export function headOf(content: Buffer): string {
  return content.subarray(0, headBytes).toString('latin1');
}

/** From where on `content` is not in the totals yet. */
export function unfoldedFrom(content: Buffer, { folded }: TotalsFile): number {
  return folded !== null && content.length >= folded.bytes && headOf(content).startsWith(folded.head)
    ? folded.bytes
    : 0;
}

export function totalsText(file: TotalsFile): string {
  return `${JSON.stringify({ formatVersion: 1, bounds: durationBounds, ...file })}\n`;
}

/** @param text undefined: no such file. What cannot be understood counts for nothing. */
export function parseTotals(text: string | undefined): TotalsFile {
  const nothing: TotalsFile = { totals: noTotals, folded: null };
  try {
    const json = JSON.parse(text ?? '');
    const isOurs = json.formatVersion === 1 && JSON.stringify(json.bounds) === JSON.stringify(durationBounds);
    if (!isOurs || !json.totals.mounts.every(isMountTotals)) return nothing;
    return { totals: json.totals, folded: json.folded };
  } catch {
    return nothing;
  }
}

function isMountTotals({ fstype, count, remembered = 0, totalMs, buckets }: MountTotals): boolean {
  const areNumbers = [count, remembered, totalMs, ...buckets].every((value) => typeof value === 'number');
  return typeof fstype === 'string' && areNumbers && buckets.length === durationBounds.length + 1;
}
