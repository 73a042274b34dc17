import { existsSync, rmSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MounterError } from '../src/errors.ts';
import { exitCode } from '../src/exit-codes.ts';
import { usageError } from './command-line.ts';

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
  for (const { name, pid } of await scratchesIn(above))
    if (!isRunning(pid)) await rm(join(above, name), { recursive: true, force: true });
}

async function scratchesIn(
  above: string,
): Promise<readonly { readonly name: string; readonly pid: number }[]> {
  return (await readdir(above)).flatMap((name) => {
    const pid = /^work\.(\d+)\.\d+$/.exec(name)?.[1];
    return pid === undefined ? [] : [{ name, pid: Number(pid) }];
  });
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

/** What is replaced as a whole, by a directory's name or none. */
export interface Replaceable {
  readonly directory: string;
  /** A file that each of them has: whoever names their home directory keeps it. */
  readonly mark: string;
  /** For the words of the refusal: `a release`. */
  readonly what: string;
}

/** @throws MounterError (usage) where the directory is there, and something else than what would be replaced. */
export async function refuseOther({ directory, mark, what }: Replaceable): Promise<void> {
  const hint = 'name a new directory with --output';
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw usageError(directory, error.code === 'ENOTDIR' ? 'is no directory' : error.message, hint);
  });
  if (names.length > 0 && !names.includes(mark))
    throw usageError(directory, `holds something else than ${what}`, hint);
}

/**
 * A directory that `fill` has filled takes the place of the one that is there, which stays until then. Between two
 * renames it is the one beside it, `.previous`: where we are killed there, the next run puts it back.
 * @throws MounterError (usage) as `refuseOther`; (system) where another process is about to do the same.
 */
export async function replaceDirectory(
  replaced: Replaceable,
  fill: (unfinished: string) => Promise<void>,
): Promise<void> {
  const { directory } = replaced;
  const previous = `${directory}.previous`;
  await refuseOther(replaced);
  const above = `${directory}.unfinished`;
  await withScratch(above, async (scratch) => {
    await refuseSecond(replaced, above);
    if (existsSync(previous) && !existsSync(directory)) await rename(previous, directory);
    const made = join(scratch, 'made');
    await mkdir(made);
    await fill(made);
    await rm(previous, { recursive: true, force: true });
    if (existsSync(directory)) await rename(directory, previous);
    await rename(made, directory);
    await rm(previous, { recursive: true, force: true });
  }).finally(() => rmdir(above).catch(() => {}));
}

/** Each looks once its own scratch is there: of two that begin at once none goes on unseen. */
async function refuseSecond({ directory, what }: Replaceable, above: string): Promise<void> {
  const other = (await scratchesIn(above)).find(({ pid }) => pid !== process.pid && isRunning(pid));
  if (other === undefined) return;
  throw new MounterError(`process ${other.pid} is making ${what} there`, {
    subject: directory,
    status: exitCode.system,
    hint: 'wait until it has ended, or name another directory with --output',
  });
}
