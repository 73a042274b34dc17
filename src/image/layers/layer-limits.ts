import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';

/** What an image may unpack to: generous for a node's tools, and an end to decompression bombs. */
export interface LayerLimits {
  /** Of all layers together, uncompressed. */
  readonly bytes: number;
  readonly entries: number;
}

export const layerLimits: LayerLimits = { bytes: 16 * 1024 ** 3, entries: 1_000_000 };

export class LimitError extends MounterError {
  constructor(what: string) {
    super(`the image unpacks to ${what}`, {
      status: exitCode.system,
      hint: 'no image of tools is that large: take one from a source you trust',
    });
  }
}
