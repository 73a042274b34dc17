import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { fetchPackages, unpackInto } from './debian.ts';
import { cacheDirectory } from './paths.ts';

/**
 * The program of Debian's docker-registry, unpacked and not installed: its package would start one of its own,
 * as a service that all the world may reach.
 * @returns its absolute path; kept under `.cache/` after the first call.
 */
export async function ensureDockerRegistry(): Promise<string> {
  const directory = `${cacheDirectory}/docker-registry`;
  const program = `${directory}/files/usr/bin/docker-registry`;
  if (existsSync(program)) return program;
  await mkdir(directory, { recursive: true });
  const unfinished = `${directory}/files.${process.pid}`;
  try {
    const names = ['docker-registry'];
    const debs = await fetchPackages({ names, directory: `${directory}/debs`, withoutDependencies: true });
    await unpackInto(debs, unfinished);
    await rename(unfinished, `${directory}/files`);
  } catch (error) {
    // Somebody else's may have been there first; it is the same.
    if (!existsSync(program)) throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return program;
}
