import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { isErrnoException } from '../../host/system-error.ts';
import { type Compression, compressionAt, decompressed } from '../compression.ts';
import { sourceError } from '../content.ts';
import { DigestStream } from '../digest.ts';
import { type LayerLimits, LimitError, layerLimits, tooManyBytes } from '../layers/limits.ts';
import { readSize } from './file-part.ts';
import { type IndexedFile, TarIndex } from './tar-index.ts';

/** A tar's files, with where they are in it. */
export interface TarFile {
  readonly path: string;
  readonly compression: Compression;
  /** Bytes and digest of the file as it is. */
  readonly size: number;
  readonly digest: string;
  /** Digest of the uncompressed tar. */
  readonly diffId: string;
  readonly files: ReadonlyMap<string, IndexedFile>;
}

/**
 * Reads a tar once, from its first byte to its last: of a URL's nothing is known before.
 * @throws MounterError (system) when it is not a tar, damaged, or a bomb; node's errors when it cannot be read.
 */
export async function readTarFile(
  path: string,
  reference: string,
  limits: LayerLimits = layerLimits,
): Promise<TarFile> {
  const compression = await compressionAt(path);
  const [stored, index, hash] = [new DigestStream(), new TarIndex(limits), createHash('sha256')];
  const source = createReadStream(path, { highWaterMark: readSize });
  // Its errors come out of the last stream.
  const bytes = pipeline(source, stored, () => {});
  let uncompressed = 0;
  try {
    for await (const chunk of decompressed(bytes)) {
      uncompressed += chunk.length;
      if (uncompressed > limits.bytes) throw tooManyBytes(limits.bytes);
      hash.update(chunk);
      index.push(chunk);
    }
    const diffId = `sha256:${hash.digest('hex')}`;
    return { path, compression, size: source.bytesRead, digest: stored.digest(), diffId, files: index.end() };
  } catch (error) {
    if (isErrnoException(error)) throw error;
    if (error instanceof LimitError) throw sourceError(reference, error.message, error.hint ?? '');
    const message = `is not a tar, or is damaged: ${error instanceof Error ? error.message : error}`;
    throw sourceError(reference, message, 'fetch the file again; nothing was installed', error);
  } finally {
    source.destroy();
  }
}
