import { createReadStream } from 'node:fs';
import { layerLimits } from './layer-limits.ts';
import { LayerReader } from './layer-reader.ts';
import { plainTarMediaType } from './layer-stream.ts';
import { openSystemCalls } from './system-calls.ts';

/**
 * Unpacks a rootfs's tar into `root`, an empty directory, as `unpackImage` does a layer.
 * @param file plain, or compressed with zstd or gzip.
 * @returns the digest of the uncompressed tar, `sha256:…`.
 * @throws MounterError (system) that names the entry; TarError or zlib's errors for what is no tar; node's
 * errors when reading or writing fails.
 */
export async function unpackTar(file: string, root: string): Promise<string> {
  const reader = new LayerReader(root, await openSystemCalls(), layerLimits);
  const open = async () => createReadStream(file, { highWaterMark: 1024 * 1024 });
  const digest = await reader.read(open, plainTarMediaType);
  reader.finish();
  return digest;
}
