import { type PaxRecord, parsePax } from './pax.ts';
import {
  checkMap,
  hasMapBeforeContent,
  MapReader,
  oldRealSize,
  paxMap,
  readOldMap,
  type Segment,
} from './sparse.ts';
import { entryOf, type TarEntry } from './tar-entry.ts';
import { blockSize, decodeHeader, TarError, type TarHeader } from './tar-header.ts';

/** What is done with the entries, in the archive's order. */
export interface EntryHandler {
  begin(entry: TarEntry): void;
  /** Content of the file that began last; `position` is where it belongs in it. The bytes are lent. */
  content(bytes: Buffer, position: number): void;
  end(): void;
}

/** PAX headers and GNU long names, as in Go's archive/tar: real ones are far smaller. */
const maxSpecialSize = 1024 * 1024;
const maxGlobalRecords = 100;

/**
 * Reads a tar that is pushed in: no stream and no promise for each entry, which would cost more than most
 * entries of an image do. After the end of the archive anything may follow, as with tar(1).
 */
export class TarReader {
  readonly #handler: EntryHandler;
  /** The header, or other block, that is being collected; aligned, for its sum. */
  readonly #block = Buffer.from(new ArrayBuffer(blockSize));
  #filled = 0;
  /** What the next whole block holds. */
  #expected: 'header' | 'oldMap' | 'map' = 'header';
  #zeroBlocks = 0;
  /** Where content goes to: the entry's file, a special header, or nowhere. */
  #target: 'file' | 'special' | 'nowhere' = 'nowhere';
  #remaining = 0;
  #padding = 0;
  #special: Buffer[] = [];
  #specialType = '';

  #global: readonly PaxRecord[] = [];
  #pax: readonly PaxRecord[] = [];
  #longName: string | undefined;
  #longLink: string | undefined;

  #entry: TarEntry | undefined;
  #segments: Segment[] = [];
  #map = new MapReader();
  /** The segment that is being filled, and how much of it is. */
  #segment = 0;
  #inSegment = 0;

  constructor(handler: EntryHandler) {
    this.#handler = handler;
  }

  /** @throws TarError, and what the handler throws. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.#zeroBlocks < 2) {
      const left = chunk.length - at;
      if (this.#remaining > 0) {
        const length = Math.min(this.#remaining, left);
        this.#remaining -= length;
        this.#take(chunk.subarray(at, at + length));
        at += length;
        if (this.#remaining === 0) this.#endContent();
      } else if (this.#padding > 0) {
        const length = Math.min(this.#padding, left);
        this.#padding -= length;
        at += length;
      } else {
        const length = Math.min(blockSize - this.#filled, left);
        chunk.copy(this.#block, this.#filled, at, at + length);
        at += length;
        this.#filled += length;
        if (this.#filled === blockSize) this.#onBlock();
      }
    }
  }

  /** The archive ends here. One without blocks of zeros at its end is whole if no entry is cut. */
  end(): void {
    const isBetween = this.#remaining === 0 && this.#padding === 0 && this.#filled === 0;
    const hasPrelude = this.#pax.length > 0 || this.#longName !== undefined || this.#longLink !== undefined;
    if (this.#zeroBlocks < 2 && (!isBetween || this.#expected !== 'header' || hasPrelude))
      throw new TarError('it ends in the middle of an entry');
  }

  #onBlock(): void {
    this.#filled = 0;
    switch (this.#expected) {
      case 'header':
        this.#onHeader();
        return;
      case 'oldMap':
        this.#onOldMap(readOldMap(this.#block, false, this.#segments));
        return;
      case 'map':
        this.#onMap();
    }
  }

  #onHeader(): void {
    const header = decodeHeader(this.#block);
    if (header === undefined) {
      this.#zeroBlocks += 1;
      return;
    }
    if (this.#zeroBlocks > 0) throw new TarError('a block of zeros stands between two entries');
    if (specialTypes.has(header.typeflag)) this.#beginSpecial(header);
    else this.#beginEntry(header);
  }

  #beginSpecial({ typeflag, size }: TarHeader): void {
    if (size > maxSpecialSize) throw new TarError(`a header of ${size} bytes is too long`);
    this.#specialType = typeflag;
    this.#special = [];
    this.#expectContent(size, 'special');
  }

  #endSpecial(): void {
    const bytes = Buffer.concat(this.#special);
    this.#special = [];
    switch (this.#specialType) {
      case 'x':
        this.#pax = parsePax(bytes);
        return;
      case 'g':
        // GNU tar applies them, Go's readers do not; POSIX says they hold for all that follows.
        this.#global = [...new Map([...this.#global, ...parsePax(bytes)])];
        // Every entry looks through them.
        if (this.#global.length > maxGlobalRecords) throw new TarError('it has too many global PAX records');
        return;
      case 'K':
        this.#longLink = untilNul(bytes);
        return;
      case 'L':
        this.#longName = untilNul(bytes);
    }
  }

  #beginEntry(header: TarHeader): void {
    const own = this.#pax;
    const entry = entryOf(header, {
      pax: own.length === 0 ? this.#global : [...this.#global, ...own],
      longName: this.#longName,
      longLink: this.#longLink,
    });
    this.#pax = [];
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#entry = entry;
    if (header.typeflag === 'S') {
      this.#segments = [];
      this.#onOldMap(readOldMap(this.#block, true, this.#segments), oldRealSize(this.#block));
    } else if (entry.kind === 'file' && hasMapBeforeContent(own)) {
      this.#beginMap(own, entry.size);
    } else {
      const sparse = entry.kind === 'file' ? paxMap(own) : undefined;
      if (sparse !== undefined) this.#beginSparse(entry, sparse.size, sparse.segments, entry.size);
      // Only files have content, whatever size a header says (Go's archive/tar does the same).
      else this.#begin(entry, entry.kind === 'file' ? entry.size : 0);
    }
  }

  #realSize = 0;

  #onOldMap(hasMore: boolean, realSize = this.#realSize): void {
    this.#realSize = realSize;
    this.#expected = hasMore ? 'oldMap' : 'header';
    const entry = this.#entry;
    if (hasMore || entry === undefined) return;
    this.#beginSparse(entry, realSize, this.#segments, entry.size);
  }

  #contentSize = 0;

  #beginMap(records: readonly PaxRecord[], contentSize: number): void {
    const size = new Map(records).get('GNU.sparse.realsize');
    this.#realSize = Number(size);
    if (size === undefined || !/^[0-9]+$/.test(size) || !Number.isSafeInteger(this.#realSize))
      throw new TarError('a sparse file has no size');
    this.#contentSize = contentSize;
    this.#map = new MapReader();
    this.#expected = 'map';
  }

  #onMap(): void {
    this.#contentSize -= blockSize;
    if (this.#contentSize < 0) throw new TarError('a sparse file has a damaged map');
    const segments = this.#map.add(this.#block);
    const entry = this.#entry;
    if (segments === undefined || entry === undefined) return;
    this.#expected = 'header';
    this.#beginSparse(entry, this.#realSize, segments, this.#contentSize);
  }

  #beginSparse(entry: TarEntry, size: number, segments: readonly Segment[], contentSize: number): void {
    checkMap({ size, segments }, contentSize);
    this.#begin({ ...entry, size, segments: segments.filter(({ length }) => length > 0) }, contentSize);
  }

  #begin(entry: TarEntry, contentSize: number): void {
    this.#entry = entry;
    this.#segment = 0;
    this.#inSegment = 0;
    this.#handler.begin(entry);
    this.#expectContent(contentSize, 'file');
  }

  #expectContent(size: number, target: 'file' | 'special'): void {
    this.#target = target;
    this.#remaining = size;
    this.#padding = (blockSize - (size % blockSize)) % blockSize;
    if (size === 0) this.#endContent();
  }

  #endContent(): void {
    if (this.#target === 'special') this.#endSpecial();
    else this.#handler.end();
    this.#target = 'nowhere';
  }

  #take(bytes: Buffer): void {
    // The chunk is its owner's again after this call.
    if (this.#target === 'special') this.#special.push(Buffer.from(bytes));
    else if (this.#entry?.segments === undefined) {
      this.#handler.content(bytes, this.#inSegment);
      this.#inSegment += bytes.length;
    } else this.#takeSparse(bytes, this.#entry.segments);
  }

  #takeSparse(bytes: Buffer, segments: readonly Segment[]): void {
    for (let at = 0; at < bytes.length; ) {
      const segment = segments[this.#segment];
      if (segment === undefined) throw new TarError('a sparse file has more content than its map');
      const length = Math.min(segment.length - this.#inSegment, bytes.length - at);
      this.#handler.content(bytes.subarray(at, at + length), segment.offset + this.#inSegment);
      at += length;
      this.#inSegment += length;
      if (this.#inSegment < segment.length) continue;
      this.#segment += 1;
      this.#inSegment = 0;
    }
  }
}

/** PAX for one entry and for all, GNU's long link target and long name. */
const specialTypes = new Set(['x', 'g', 'K', 'L']);

function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end === -1 ? bytes.length : end);
}
