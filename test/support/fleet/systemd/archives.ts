import { mkdirSync } from 'node:fs';
import { execa } from 'execa';
import { ensureInstalled } from '../../../../scripts/debian.ts';
import { cacheDirectory } from '../../../../scripts/paths.ts';
import { builtImage, pauseImage, type TestImage, updatedImage } from '../images.ts';

/** The images for the test VM, which has no registry: archives, made on the machine that it runs on. */
export const archives = `${cacheDirectory}/fleet-images`;

export const imageNames = ['first', 'second', 'pause'] as const;

export async function writeArchives(): Promise<void> {
  await ensureInstalled(['skopeo']);
  mkdirSync(archives, { recursive: true });
  const images: Readonly<Record<(typeof imageNames)[number], TestImage>> = {
    first: builtImage(),
    second: await updatedImage('second'),
    pause: await pauseImage(),
  };
  for (const [name, { source, digest }] of Object.entries(images)) {
    const file = `${archives}/${name}.tar`;
    await execa('rm', ['-f', file]);
    // Its tag is where the digest is read from.
    const tag = digest.replace(':', '-');
    await execa('skopeo', [
      '--insecure-policy',
      'copy',
      '--preserve-digests',
      source,
      `oci-archive:${file}:${tag}`,
    ]);
  }
}
