import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { constants, type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';

/** A file that arrives piece by piece, over several tries and several runs, and its digest so far. */
export class PartialFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  #hash: Hash = createHash('sha256');
  #bytes = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** Takes over what a killed run left at `path`, but no more than `limit` bytes of it. */
  static async open(path: string, limit: number): Promise<PartialFile> {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const file = new PartialFile(path, await open(path, flags, 0o600));
    const { size } = await file.#handle.stat();
    if (size > limit) await file.restart();
    else await file.#readBack(size);
    return file;
  }

  async #readBack(size: number): Promise<void> {
    if (size === 0) return;
    for await (const chunk of createReadStream(this.#path, { end: size - 1 })) this.#hash.update(chunk);
    this.#bytes = size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `sha256:…` of what is there. */
  get digest(): string {
    return `sha256:${this.#hash.copy().digest('hex')}`;
  }

  async append(chunk: Buffer): Promise<void> {
    for (let written = 0; written < chunk.length; ) {
      const { bytesWritten } = await this.#handle.write(
        chunk,
        written,
        chunk.length - written,
        this.#bytes + written,
      );
      written += bytesWritten;
    }
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
  }

  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = createHash('sha256');
    this.#bytes = 0;
  }

  /** Gives the complete file its name. */
  async finish(path: string): Promise<void> {
    await rename(this.#path, path);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** What this program calls its files in the download directory; nothing else there begins so. */
export const [blobPrefix, sourcePrefix] = ['blob-', 'source-'];

/** Removes what downloads have left, those of killed runs and other images included. */
export async function removeDownloads(directory: string): Promise<void> {
  for (const name of await readdir(directory))
    if (name.startsWith(blobPrefix) || name.startsWith(sourcePrefix))
      await rm(`${directory}/${name}`, { force: true });
}
