import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { compress, digestOf } from '../rootfs/archive.ts';
import type { Compression, LayerBlob } from './oci.ts';

/**
 * A layer of the tar's bytes; the same bytes give the same blob with the same Node.
 * @param window zstd's, where another than the usual one is better.
 */
export async function layerOf(
  tar: Buffer,
  compression: Compression,
  createdBy: string,
  window?: number,
): Promise<LayerBlob> {
  // Node's gzip leaves name and time out of the header.
  const blob =
    compression === 'zstd'
      ? await compress(tar, undefined, window)
      : await promisify(gzip)(tar, { level: 9 });
  return { blob, compression, diffId: digestOf(tar), createdBy };
}
