import { type FileHandle, open } from 'node:fs/promises';
import { pipeline, type Readable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';

export type Compression = 'gzip' | 'zstd' | undefined;

/** Of a file's first bytes; undefined for a plain tar and for what is none. */
export function compressionOf(start: Buffer): Compression {
  if (start.subarray(0, 4).toString('hex') === '28b52ffd') return 'zstd';
  return start.subarray(0, 2).toString('hex') === '1f8b' ? 'gzip' : undefined;
}

export async function compressionAt(path: string, offset = 0): Promise<Compression> {
  const handle: FileHandle = await open(path, 'r');
  try {
    const start = Buffer.alloc(4);
    const { bytesRead } = await handle.read(start, 0, start.length, offset);
    return compressionOf(start.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

/** `source` uncompressed; an error of either reaches the reader. */
export function decompressed(source: Readable, compression: Compression): Readable {
  if (compression === undefined) return source;
  const decompressor: Transform = compression === 'zstd' ? createZstdDecompress() : createGunzip();
  return pipeline(source, decompressor, () => {});
}

/** The media type of a layer that a file without manifests holds. */
export function layerType(compression: Compression): string {
  const suffix = compression === undefined ? '' : `+${compression}`;
  return `application/vnd.oci.image.layer.v1.tar${suffix}`;
}
