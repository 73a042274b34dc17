import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { ensureInstalled } from '../../debian.ts';
import { layerOf } from '../../image/layer.ts';
import { writeLayout } from '../../image/layout.ts';
import { type Compression, composeImage } from '../../image/oci.ts';

/**
 * A layout at `layout` of an image made of `tars`, the lowest first.
 * @returns what skopeo calls it.
 */
export async function writeTestImage(
  tars: readonly string[],
  compression: Compression,
  layout: string,
): Promise<string> {
  const layers = await Promise.all(tars.map(async (tar) => layerOf(await readFile(tar), compression, 'tar')));
  const request = { architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', epoch: 0, labels: {} };
  const image = composeImage({ ...request, environment: [], layers });
  await writeLayout({ [request.architecture]: image }, 'test', layout);
  return `oci:${layout}:test`;
}

/** What layers.sh makes. */
export interface TestLayers {
  /** The lowest first. */
  readonly layers: readonly string[];
  /** A layer that umoci can't unpack; GNU tar can. */
  readonly gnu: string;
}

/** @param directory is empty. */
export async function makeTestLayers(directory: string): Promise<TestLayers> {
  await ensureInstalled(['attr', 'tar']);
  await execa('bash', [join(import.meta.dirname, 'layers.sh'), directory], { stdin: 'ignore' });
  const tar = (name: string) => join(directory, `${name}.tar`);
  return { layers: ['1', '2', '3'].map(tar), gnu: tar('gnu') };
}
