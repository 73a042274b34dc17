import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceDirectory } from '../scratch.ts';
import { type Images, indexOf, publishedOf } from './oci.ts';
import type { Signature } from './signature.ts';

/**
 * Writes an OCI image layout with one image in it, or with an index of several, and their signature: `oci:DIRECTORY:TAG`
 * to skopeo, each. A layout that is there is replaced as a whole; other directories are refused.
 * @throws MounterError (usage) when `directory` holds something else.
 */
export async function writeLayout(
  images: Images,
  tag: string,
  directory: string,
  signature?: Signature,
): Promise<void> {
  const published = publishedOf(images);
  const blobs = new Map([...published.blobs, ...(signature?.blobs ?? [])]);
  await writeLayoutFiles(blobs, indexOf(published, tag, signature), directory);
}

/** The same with whatever is in it. @param blobs by digest. */
export async function writeLayoutFiles(
  blobs: ReadonlyMap<string, Buffer>,
  index: Buffer,
  directory: string,
): Promise<void> {
  await replaceDirectory({ directory, mark: 'oci-layout', what: 'an image layout' }, async (unfinished) => {
    await mkdir(join(unfinished, 'blobs/sha256'), { recursive: true });
    for (const [digest, blob] of blobs) await writeFile(blobPath(unfinished, digest), blob);
    await writeFile(join(unfinished, 'index.json'), index);
    await writeFile(join(unfinished, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  });
}

function blobPath(directory: string, digest: string): string {
  return join(directory, 'blobs', digest.replace(':', '/'));
}
