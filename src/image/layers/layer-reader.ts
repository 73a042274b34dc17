import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { decompressed } from '../compression.ts';
import { LayerUnpacker } from './layer-unpacker.ts';
import { type LayerLimits, tooManyBytes } from './limits.ts';
import type { SystemCalls } from './system-calls.ts';
import { TarReader } from './tar-reader.ts';

/** Unpacks layers into one root, the lowest first; all to the end, or not at all. */
export class LayerReader {
  readonly #unpacker: LayerUnpacker;
  readonly #limits: LayerLimits;
  #bytes = 0;

  constructor(root: string, calls: SystemCalls, limits: LayerLimits) {
    this.#unpacker = new LayerUnpacker(root, calls, limits);
    this.#limits = limits;
  }

  /**
   * @param open the blob, as it is stored.
   * @returns the digest of the uncompressed tar, `sha256:…`.
   * @throws TarError, EntryError, LimitError; zlib's, node's and the source's errors.
   */
  async read(open: () => Promise<Readable>): Promise<string> {
    const hash = createHash('sha256');
    const tar = new TarReader(this.#unpacker);
    this.#unpacker.beginLayer();
    try {
      for await (const chunk of decompressed(await open())) {
        this.#bytes += chunk.length;
        if (this.#bytes > this.#limits.bytes) throw tooManyBytes(this.#limits.bytes);
        hash.update(chunk);
        tar.push(chunk);
      }
      tar.end();
    } finally {
      this.#unpacker.close();
    }
    return `sha256:${hash.digest('hex')}`;
  }

  /** After the last layer. */
  finish(): void {
    this.#unpacker.finish();
  }
}
