import { rmSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the scripts make on the way: it goes with them, and where they were killed, with the next run. */

let number = 0;

/**
 * Runs `work` with a new directory in `above`, removed afterwards and when a signal ends us. Those that killed runs left
 * behind are removed first. Nothing is ever mounted below it.
 */
export async function withScratch<T>(above: string, work: (scratch: string) => Promise<T>): Promise<T> {
  await mkdir(above, { recursive: true });
  await removeAbandoned(above);
  number += 1;
  const scratch = join(above, `work.${process.pid}.${number}`);
  await mkdir(scratch);
  const remove = () => rmSync(scratch, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    return await work(scratch);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

async function removeAbandoned(above: string): Promise<void> {
  for (const name of await readdir(above)) {
    const pid = /^work\.(\d+)\.\d+$/.exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    await rm(join(above, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A file appears whole or not at all, however the build ends. */
export function writeWhole(path: string, content: string | Buffer): Promise<void> {
  return replaceFile(path, (unfinished) => writeFile(unfinished, content));
}

/** As `writeWhole`, with what lies in another file. A program that runs keeps its own. */
export function copyWhole(from: string, path: string): Promise<void> {
  return replaceFile(path, (unfinished) => copyFile(from, unfinished));
}

async function replaceFile(path: string, make: (unfinished: string) => Promise<void>): Promise<void> {
  const unfinished = `${path}.${process.pid}`;
  const remove = () => rmSync(unfinished, { force: true });
  process.once('exit', remove);
  try {
    await make(unfinished);
    await rename(unfinished, path);
  } catch (error) {
    throw Object.assign(error as Error, { path });
  } finally {
    process.off('exit', remove);
    remove();
  }
}
