import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const repository = resolve(import.meta.dirname, '../..');

/** Where the build reads and keeps things, all absolute. */
export const workspace = {
  repository,
  manifest: join(repository, 'rootfs-manifest.json'),
  /** Downloaded packages. */
  debs: join(repository, '.cache/debs'),
  /** Trees being worked on, and what was built last. */
  builds: join(repository, '.cache/rootfs'),
  output: join(repository, 'dist'),
} as const;

/**
 * Runs `work` with a new directory, removed afterwards. Directories that killed builds left behind are
 * removed first. Nothing is ever mounted below it.
 */
export async function withScratch<T>(work: (scratch: string) => Promise<T>): Promise<T> {
  await mkdir(workspace.builds, { recursive: true });
  await removeAbandoned();
  const scratch = join(workspace.builds, `work.${process.pid}`);
  await mkdir(scratch);
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(workspace.builds)) {
    const pid = /^work\.(\d+)$/.exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    await rm(join(workspace.builds, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A file appears whole or not at all, however the build ends. */
export async function writeWhole(path: string, content: string | Buffer): Promise<void> {
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, content);
  await rename(temporary, path);
}
