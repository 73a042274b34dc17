import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MounterError } from '../../src/errors.ts';
import { exitCode } from '../../src/exit-codes.ts';
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
  await refuseOther(directory);
  await mkdir(dirname(directory), { recursive: true });
  const [unfinished, previous] = [`${directory}.unfinished`, `${directory}.previous`];
  for (const left of [unfinished, previous]) await rm(left, { recursive: true, force: true });
  await mkdir(join(unfinished, 'blobs/sha256'), { recursive: true });
  for (const [digest, blob] of blobs) await writeFile(blobPath(unfinished, digest), blob);
  await writeFile(join(unfinished, 'index.json'), index);
  await writeFile(join(unfinished, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  if (existsSync(directory)) await rename(directory, previous);
  await rename(unfinished, directory);
  await rm(previous, { recursive: true, force: true });
}

function blobPath(directory: string, digest: string): string {
  return join(directory, 'blobs', digest.replace(':', '/'));
}

async function refuseOther(directory: string): Promise<void> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw usageError(directory, error.code === 'ENOTDIR' ? 'is no directory' : error.message);
  });
  if (names.length > 0 && !names.includes('oci-layout')) {
    throw usageError(directory, 'holds something else than an image layout');
  }
}

function usageError(subject: string, message: string): MounterError {
  return new MounterError(message, {
    subject,
    status: exitCode.usage,
    hint: 'name a new directory with --output',
  });
}
