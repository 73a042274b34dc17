import { closeSync, constants, fstatSync, writeSync } from 'node:fs';
import type { RecordPlace } from '../manifest/record-place.ts';

/** What lies there may be a pipe that nobody reads, or a symlink. O_APPEND makes one write one line, of many callers. */
export const recordFlags =
  constants.O_WRONLY |
  constants.O_APPEND |
  constants.O_CREAT |
  constants.O_NOFOLLOW |
  constants.O_NONBLOCK |
  constants.O_NOCTTY;

export const recordMode = 0o640;

/** Opens the file, making its directory if need be. @returns undefined when it takes too long. */
type Open = (path: string) => number | undefined | Promise<number | undefined>;

/**
 * Adds a line to the record in a file.
 * @returns whether it is this caller's turn to begin a new file.
 * @throws like node:fs, and what `open` throws.
 */
export async function appendToFile(
  { file, maximumBytes }: RecordPlace,
  line: string,
  open: Open,
): Promise<boolean> {
  const fd = await reachable(await open(file), () => open(file));
  return fd !== undefined && append(fd, line, maximumBytes);
}

/** What was opened, or the file that has come in its place: two rotations later nothing leads to it any more. */
async function reachable(
  fd: number | undefined,
  openAgain: () => ReturnType<Open>,
): Promise<number | undefined> {
  if (fd === undefined) return undefined;
  const status = fstatSync(fd);
  if (status.isFile() && status.nlink > 0) return fd;
  closeSync(fd);
  return status.isFile() ? openAgain() : undefined;
}

/** @returns whether the file is to be rotated. */
function append(fd: number, line: string, maximumBytes: number): boolean {
  try {
    const { size } = fstatSync(fd);
    // One write(2) of the whole; to make a Buffer of it would take longer than to write it.
    const written = writeSync(fd, line);
    return isDue(size, size + written, maximumBytes);
  } finally {
    closeSync(fd);
  }
}

/** The tries that a rotation has for each `maximumBytes`. */
const tries = 16;

/** The caller that passes the next sixteenth does the work: where it fails (a full disk), not all try it in vain. */
function isDue(before: number, after: number, maximumBytes: number): boolean {
  const passed = (size: number) => Math.floor((size * tries) / maximumBytes);
  return after >= maximumBytes && passed(after) > passed(before);
}
