import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { cacheDirectory } from '../paths.ts';
import { compress, digestOf, publishedLevel } from '../rootfs/archive.ts';
import { writeWhole } from '../scratch.ts';
import type { Compression, LayerBlob } from './oci.ts';

/**
 * A layer of the tar's bytes; the same bytes give the same blob with the same Node.
 * @param level zstd's; the usual one if left out.
 */
export async function layerOf(
  tar: Buffer,
  compression: Compression,
  createdBy: string,
  level?: number,
): Promise<LayerBlob> {
  // Node's gzip leaves name and time out of the header.
  const blob = compression === 'zstd' ? await compress(tar, level) : await promisify(gzip)(tar, { level: 9 });
  return { blob, compression, diffId: digestOf(tar), createdBy };
}

/**
 * The same by zstd as for many nodes, which takes long: the last one of a name is kept under `.cache/`.
 * @param window as a power of 2 bytes, see compress.
 * @param name of the file.
 */
export async function keptLayerOf(
  tar: Buffer,
  createdBy: string,
  window: number,
  name: string,
): Promise<LayerBlob> {
  const diffId = digestOf(tar);
  const key = digestOf(Buffer.from([diffId, publishedLevel, window, process.versions.zstd].join(' ')));
  const blob = await kept(name, key.slice('sha256:'.length), () => compress(tar, publishedLevel, window));
  return { blob, compression: 'zstd', diffId, createdBy };
}

async function kept(name: string, key: string, make: () => Promise<Buffer>): Promise<Buffer> {
  const directory = `${cacheDirectory}/layers`;
  const file = `${name}-${key}`;
  const found = await readFile(`${directory}/${file}`).catch(() => undefined);
  if (found !== undefined) return found;
  const blob = await make();
  await mkdir(directory, { recursive: true });
  await writeWhole(`${directory}/${file}`, blob);
  // What another run is writing has a longer name.
  const older = (other: string) =>
    other.startsWith(`${name}-`) && other.length === file.length && other !== file;
  for (const other of (await readdir(directory)).filter(older))
    await rm(`${directory}/${other}`, { force: true });
  return blob;
}
