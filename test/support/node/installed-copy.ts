import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory, distDirectory } from '../../../scripts/paths.ts';

const copies = join(cacheDirectory, 'installed-node');
/** Longer than any run of tests that may still read it. */
const unusedMs = 24 * 60 * 60_000;

/**
 * A copy of what an install of dist makes, for all processes of a run of tests: the first makes it.
 * @param make fills an empty directory.
 * @returns its directory, which nobody changes any more.
 */
export async function installedCopy(make: (directory: string) => Promise<void>): Promise<string> {
  const directory = join(copies, keyOfDist());
  if (existsSync(directory)) return directory;
  await mkdir(copies, { recursive: true });
  const unfinished = await mkdtemp(join(copies, 'unfinished-'));
  try {
    await make(unfinished);
    // Who comes second keeps what the first has made: it is the same.
    await rename(unfinished, directory).catch((error) => {
      if (!existsSync(directory)) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  await removeUnused();
  return directory;
}

/** Builds put new files in the places of the old ones. */
function keyOfDist(): string {
  const files = ['mounter', 'rootfs.tar.zst', 'rootfs-manifest.json'];
  return files
    .map((name) => statSync(`${distDirectory}/${name}`))
    .map(({ ino, size, mtimeMs }) => `${ino}-${size}-${Math.round(mtimeMs)}`)
    .join('_');
}

async function removeUnused(): Promise<void> {
  for (const name of await readdir(copies)) {
    // One that is not finished may have its name no more.
    const { mtimeMs = Date.now() } = (await stat(join(copies, name)).catch(() => undefined)) ?? {};
    if (Date.now() - mtimeMs > unusedMs) await rm(join(copies, name), { recursive: true, force: true });
  }
}
