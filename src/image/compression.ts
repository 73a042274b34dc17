import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';

/** How tars are compressed. */

export type Compression = 'none' | 'gzip' | 'zstd';

const dockerLayer =
  /^application\/vnd\.docker\.image\.rootfs\.(?:foreign\.)?diff\.tar(?:[.+](?:gzip|zstd))?$/;
const ociLayer = /^application\/vnd\.oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+(?:gzip|zstd))?$/;

/** What registries and builders write that know no better; containerd and docker take the bytes for what they are. */
const saysNothing = ['', 'application/octet-stream'];

/**
 * Whether a media type is that of a tar, compressed in whatever way. In which, its first bytes say, as for containerd,
 * docker and skopeo: registries, buildah and docker save have labelled layers wrongly.
 */
export function isLayerType(mediaType: string): boolean {
  const type = plainType(mediaType);
  return saysNothing.includes(type) || dockerLayer.test(type) || ociLayer.test(type);
}

/** Without parameters: `application/json` for `application/JSON; charset=utf-8`. @see RFC 9110, 8.3.1 */
export function plainType(mediaType: string): string {
  return mediaType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** What the first bytes at `offset` of a file say. `none` may be a plain tar, or no tar at all. */
export async function compressionAt(path: string, offset = 0): Promise<Compression> {
  const handle = await open(path, 'r');
  try {
    const start = Buffer.alloc(4);
    const { bytesRead } = await handle.read(start, 0, start.length, offset);
    return detect(start.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

/**
 * One piece is worked on while the next is decompressed in another thread: two of these are in memory. Smaller
 * ones cost more in changing hands than they save (1.1 GB of gzip, bun: 128 KiB 6.3 s, 2 MiB 3.1 s).
 */
const pieceSize = 2 * 1024 * 1024;

/**
 * Decompresses `source` as it arrives. Several gzip members or zstd frames are read one after another.
 * @throws zlib's errors; the source's.
 */
export async function* decompressed(source: Readable): AsyncGenerator<Buffer> {
  const [start, rest] = await firstBytes(source);
  const found = detect(start);
  if (found === 'none') {
    yield* rest;
    return;
  }
  const options = { chunkSize: pieceSize, readableHighWaterMark: pieceSize };
  const decompressor = found === 'gzip' ? createGunzip(options) : createZstdDecompress(options);
  // Errors come to the reader by the decompressor, which they destroy.
  pipeline(Readable.from(rest, { objectMode: true, highWaterMark: 2 }), decompressor, () => {});
  yield* decompressor as AsyncIterable<Buffer>;
}

/** @returns at least 4 bytes, unless there are fewer; and all bytes, those included. */
async function firstBytes(source: Readable): Promise<readonly [start: Buffer, all: AsyncIterable<Buffer>]> {
  const chunks = (source as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const seen: Buffer[] = [];
  while (seen.reduce((sum, { length }) => sum + length, 0) < 4) {
    const { value, done } = await chunks.next();
    if (done) break;
    seen.push(value);
  }
  const start = Buffer.concat(seen);
  return [start, following(start, chunks, source)];
}

async function* following(
  start: Buffer,
  chunks: AsyncIterator<Buffer>,
  source: Readable,
): AsyncGenerator<Buffer> {
  try {
    if (start.length > 0) yield start;
    for (;;) {
      const { value, done } = await chunks.next();
      if (done) return;
      yield value;
    }
  } finally {
    source.destroy();
  }
}

/** gzip: RFC 1952; zstd: RFC 8878, its frames and those to be skipped. */
function detect(start: Buffer): Compression {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  const magic = start.length >= 4 ? start.readUInt32LE(0) : 0;
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50 ? 'zstd' : 'none';
}
