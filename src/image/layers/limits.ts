import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { TarEntry } from './tar-entry.ts';

/** What an image may unpack to: generous for a node's tools, and an end to decompression bombs. */
export interface LayerLimits {
  /** The sum over all layers, uncompressed; likewise that of all files with holes, as whoever reads them finds them. */
  readonly bytes: number;
  readonly entries: number;
  /** Names, link targets and attributes of all entries: they are held in memory. */
  readonly textBytes: number;
}

export const layerLimits: LayerLimits = {
  bytes: 16 * 1024 ** 3,
  entries: 1_000_000,
  textBytes: 256 * 1024 ** 2,
};

/** Counts the entries of archives, and what each of them asks for. */
export class EntryCount {
  readonly #limits: LayerLimits;
  #entries = 0;
  #textBytes = 0;
  #sparseBytes = 0;

  constructor(limits: LayerLimits) {
    this.#limits = limits;
  }

  /** @throws LimitError */
  add({ name, linkname, xattrs, size, segments }: TarEntry): void {
    const { bytes, entries, textBytes } = this.#limits;
    this.#entries += 1;
    if (this.#entries > entries) throw new LimitError(`more than ${entries} entries`);
    this.#textBytes += name.length + linkname.length;
    for (const [attribute, value] of xattrs) this.#textBytes += attribute.length + value.length;
    if (this.#textBytes > textBytes) throw new LimitError(`more than ${textBytes} bytes of names`);
    // Holes take no place, and are read for the record of the tree, and whenever that is compared: under a lock.
    if (segments !== undefined) this.#sparseBytes += size;
    if (this.#sparseBytes > bytes) throw tooManyBytes(bytes);
  }
}

/** The message, and the next action, for what is to be fetched. @param what such as `the download has`. */
export function tooLarge(what: string, bytes: number): readonly [message: string, hint: string] {
  return [`${what} ${bytes} bytes, and ${layerLimits.bytes} are the most`, notThatLarge];
}

const notThatLarge = 'no image of tools is that large: take one from a source you trust';

export function tooManyBytes(bytes: number): LimitError {
  return new LimitError(`more than ${bytes} bytes`);
}

export class LimitError extends MounterError {
  constructor(what: string) {
    super(`the image unpacks to ${what}`, {
      status: exitCode.system,
      hint: notThatLarge,
    });
  }
}
