import { posix } from 'node:path';
import { EntryCount, type LayerLimits } from '../layers/limits.ts';
import type { TarEntry } from '../layers/tar-entry.ts';
import { type EntryHandler, TarReader } from '../layers/tar-reader.ts';

export interface IndexedFile {
  /** Where the file's first byte is in the uncompressed tar. */
  readonly offset: number;
  readonly size: number;
}

/** Where each regular file of a tar is, so that it can be read without what is before it. */
export class TarIndex {
  readonly #reader = new TarReader(this.#handler());
  readonly #files = new Map<string, IndexedFile>();
  readonly #links = new Map<string, string>();
  readonly #count: EntryCount;
  #chunk: Buffer = Buffer.of();
  /** Bytes before the chunk. */
  #before = 0;
  #current: string | undefined;

  constructor(limits: LayerLimits) {
    this.#count = new EntryCount(limits);
  }

  /** @throws TarError, LimitError */
  push(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#reader.push(chunk);
    this.#before += chunk.length;
  }

  /**
   * Regular files by name, `./` and `/` taken away. A link goes by the file that it leads to: docker save writes a
   * layer that two images share once, and a symlink to it.
   * @throws TarError when the tar is cut.
   */
  end(): ReadonlyMap<string, IndexedFile> {
    this.#reader.end();
    const files = new Map(this.#files);
    for (const [name, target] of this.#links) {
      const file = this.#files.get(target);
      if (file !== undefined) files.set(name, file);
    }
    return files;
  }

  #handler(): EntryHandler {
    return {
      begin: (entry) => this.#begin(entry),
      content: (bytes, position) => this.#content(bytes, position),
      end: () => {},
    };
  }

  #begin(entry: TarEntry): void {
    this.#count.add(entry);
    const { kind, name: written, linkname, size, segments } = entry;
    const name = posix.normalize(written).replace(/^\/+/, '');
    this.#current = undefined;
    this.#files.delete(name);
    this.#links.delete(name);
    if (kind === 'symlink') this.#links.set(name, posix.join(posix.dirname(name), linkname));
    else if (kind === 'hardLink') this.#links.set(name, posix.normalize(linkname));
    else if (kind === 'file' && segments === undefined) {
      this.#files.set(name, { offset: 0, size });
      this.#current = name;
    }
  }

  /** The bytes are a part of the chunk: where they lie in it, the file begins in the tar. */
  #content(bytes: Buffer, position: number): void {
    const file = this.#files.get(this.#current ?? '');
    if (file === undefined || this.#current === undefined || position !== 0) return;
    const offset = this.#before + bytes.byteOffset - this.#chunk.byteOffset;
    this.#files.set(this.#current, { ...file, offset });
  }
}
