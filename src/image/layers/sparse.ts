import { type PaxRecord, paxNumber } from './pax.ts';
import { decodeSize, TarError } from './tar-header.ts';

/**
 * Files with holes, in GNU tar's four ways ("Storing Sparse Files" in its manual). None of the libraries
 * reads them: the old way even puts blocks between header and content that no size counts.
 */

/** Bytes that are in the archive, and where in the file they belong. */
export interface Segment {
  readonly offset: number;
  readonly length: number;
}

export interface SparseFile {
  readonly size: number;
  readonly segments: readonly Segment[];
}

/** GNU tar's own maps stay far below; each takes memory here. */
const maxSegments = 1_000_000;
/** In digits: 2^64. */
const longestNumber = 20;

/**
 * The pairs of an old GNU header (4 from byte 386) or of a block that goes on with them (21 from byte 0).
 * @returns whether another such block follows.
 */
export function readOldMap(block: Buffer, isHeader: boolean, segments: Segment[]): boolean {
  const [start, count, more] = isHeader ? [386, 4, 482] : [0, 21, 504];
  for (let at = start; at < start + count * 24; at += 24) {
    if (block[at] === 0) break;
    segments.push({ offset: decodeSize(block, at), length: decodeSize(block, at + 12) });
  }
  if (segments.length > maxSegments) throw tooMany();
  return block[more] === 1;
}

/** `realsize` of an old GNU header. */
export function oldRealSize(block: Buffer): number {
  return decodeSize(block, 483);
}

/** The map of the PAX versions 0.0 and 0.1, which stands in the records; undefined where there is none. */
export function paxMap(records: readonly PaxRecord[]): SparseFile | undefined {
  const last = new Map(records);
  const size = last.get('GNU.sparse.size');
  if (size === undefined) return undefined;
  const list = last.get('GNU.sparse.map');
  const numbers =
    list === undefined
      ? records.filter(([key]) => key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes')
      : list.split(',').map((number) => ['', number] as const);
  return { size: paxNumber(size), segments: pairsOf(numbers.map(([, value]) => value)) };
}

/** Version 1.0 says so in the records, and has its map before the content. */
export function hasMapBeforeContent(records: readonly PaxRecord[]): boolean {
  const last = new Map(records);
  return last.get('GNU.sparse.major') === '1' && last.get('GNU.sparse.minor') === '0';
}

/** Collects version 1.0's map: decimal numbers, a line each, the first their count of pairs; in whole blocks. */
export class MapReader {
  #lines: string[] = [];
  #rest = '';

  /** @returns the map once it is complete. */
  add(block: Buffer): readonly Segment[] | undefined {
    const lines = (this.#rest + block.toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#lines.push(line);
    const first = this.#lines[0];
    if (first === undefined) throw new TarError('a sparse file has a damaged map');
    const count = paxNumber(first);
    if (count > maxSegments) throw tooMany();
    if (this.#lines.length > count * 2) return pairsOf(this.#lines.slice(1, count * 2 + 1));
    // One without an end would be gone through again with each block.
    if (this.#rest.length > longestNumber) throw new TarError('a sparse file has a damaged map');
    return undefined;
  }
}

function pairsOf(numbers: readonly string[]): readonly Segment[] {
  if (numbers.length % 2 !== 0) throw new TarError('a sparse file has a damaged map');
  const segments: Segment[] = [];
  for (let at = 0; at < numbers.length; at += 2)
    segments.push({ offset: paxNumber(numbers[at] ?? ''), length: paxNumber(numbers[at + 1] ?? '') });
  if (segments.length > maxSegments) throw tooMany();
  return segments;
}

/** @throws TarError unless the segments are in order, without overlaps, inside the file and as long as the content. */
export function checkMap({ size, segments }: SparseFile, contentSize: number): void {
  let [end, total] = [0, 0];
  for (const { offset, length } of segments) {
    if (offset < end || offset + length > size) throw new TarError('a sparse file has a map out of order');
    end = offset + length;
    total += length;
  }
  if (total !== contentSize) throw new TarError('a sparse file has a map that does not fit its content');
}

function tooMany(): TarError {
  return new TarError(`a sparse file has more than ${maxSegments} pieces`);
}
