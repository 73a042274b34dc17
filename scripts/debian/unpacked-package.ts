import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fetchPackages } from './closure.ts';
import { unpackInto } from './unpack.ts';

const cacheDirectory = resolve(import.meta.dirname, '../../.cache');

/**
 * The files of one of Debian's packages, unpacked and not installed, for one that would start a service on this
 * machine. Of what it depends on only `others` are with it.
 * @param suite the machine's own if left out.
 * @returns an absolute path; kept under `.cache/` after the first call.
 */
export async function unpackedPackage(
  name: string,
  suite?: string,
  others: readonly string[] = [],
): Promise<string> {
  const directory = `${cacheDirectory}/${[name, suite].filter(Boolean).join('-')}`;
  const files = `${directory}/files`;
  if (existsSync(files)) return files;
  await mkdir(directory, { recursive: true });
  const unfinished = `${files}.${process.pid}`;
  try {
    const which = suite === undefined ? {} : { suite };
    const request = {
      names: [name, ...others],
      directory: `${directory}/debs`,
      withoutDependencies: true,
      mayBeOld: true,
    };
    await unpackInto(await fetchPackages({ ...request, ...which }), unfinished);
    await rename(unfinished, files);
  } catch (error) {
    // Somebody else's may have been there first; it is the same.
    if (!existsSync(files)) throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return files;
}
