/**
 * One 512-byte header of tar(5): v7, ustar and GNU. Written by hand: tar-stream keeps its decoder to itself,
 * and it and the other libraries make text of names and PAX values, which are bytes (security.capability).
 * Names are byte strings here: one character, 0 to 255, for each byte.
 */
export interface TarHeader {
  /** tar(5)'s letter: `0` a file, `5` a directory, `x` a PAX header … */
  readonly typeflag: string;
  readonly name: string;
  readonly linkname: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes that follow the header. */
  readonly size: number;
  readonly mtime: Timestamp;
  readonly major: number;
  readonly minor: number;
}

/** Since 1970; `nanoseconds` is never negative. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export const blockSize = 512;

/**
 * @param block of 512 bytes.
 * @returns undefined for a block of zeros, two of which end an archive.
 * @throws TarError when the checksum or a number is wrong.
 */
export function decodeHeader(block: Buffer): TarHeader | undefined {
  const sum = sumOf(block);
  if (sum === 0) return undefined;
  const checksum = decodeNumber(block, 148, 8);
  if (sum - sumOfBytes(block, 148, 156) + 8 * 0x20 !== checksum) throw new TarError('a header is damaged');
  const magic = block.toString('latin1', 257, 265);
  const prefix = magic.startsWith('ustar\0') ? textAt(block, 345, 155) : '';
  const name = textAt(block, 0, 100);
  const hasDevice = magic.startsWith('ustar');
  return {
    typeflag: String.fromCharCode(block[156] ?? 0),
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkname: textAt(block, 157, 100),
    mode: decodeNumber(block, 100, 8) & 0o7777,
    uid: decodeNumber(block, 108, 8),
    gid: decodeNumber(block, 116, 8),
    size: decodeSize(block, 124),
    mtime: { seconds: decodeNumber(block, 136, 12), nanoseconds: 0 },
    major: hasDevice ? decodeNumber(block, 329, 8) : 0,
    minor: hasDevice ? decodeNumber(block, 337, 8) : 0,
  };
}

/** A length or an offset: 12 characters. @throws TarError when it is negative or past 2^53. */
export function decodeSize(block: Buffer, offset: number): number {
  const size = decodeNumber(block, offset, 12);
  if (size < 0 || !Number.isSafeInteger(size)) throw new TarError('an entry has an impossible size');
  return size;
}

/** Octal digits between blanks and NULs, or GNU's base 256, big-endian, marked by the highest bit. */
function decodeNumber(block: Buffer, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if (first & 0x80) return decodeBase256(block, offset, length);
  let value = 0;
  let hasEnded = false;
  for (let at = offset; at < offset + length; at += 1) {
    const byte = block[at] ?? 0;
    if (byte === 0x20 || byte === 0) hasEnded ||= value > 0;
    else if (byte < 0x30 || byte > 0x37 || hasEnded) throw new TarError('a header has an invalid number');
    else value = value * 8 + (byte - 0x30);
  }
  return value;
}

/** Two's complement: the second highest bit is the sign. */
function decodeBase256(block: Buffer, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  let value = first & 0x40 ? (first & 0x7f) - 0x80 : first & 0x7f;
  for (let at = offset + 1; at < offset + length; at += 1) value = value * 256 + (block[at] ?? 0);
  return value;
}

function textAt(block: Buffer, offset: number, length: number): string {
  const end = block.indexOf(0, offset);
  return block.toString('latin1', offset, end === -1 || end > offset + length ? offset + length : end);
}

/** The sum of all 512 bytes, four at a time: each lane adds 256 of them, at most 65280. */
function sumOf(block: Buffer): number {
  const words = new Uint32Array(block.buffer, block.byteOffset, blockSize / 4);
  let lanes = 0;
  for (const word of words) lanes += (word & 0xff00ff) + ((word >>> 8) & 0xff00ff);
  return Math.floor(lanes / 0x10000) + (lanes % 0x10000);
}

function sumOfBytes(block: Buffer, start: number, end: number): number {
  let sum = 0;
  for (let at = start; at < end; at += 1) sum += block[at] ?? 0;
  return sum;
}

/** The bytes are not a tar, or not a complete one. The caller knows which file or layer it is about. */
export class TarError extends Error {
  override readonly name = 'TarError';
}
