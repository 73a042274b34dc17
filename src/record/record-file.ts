import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import type { RecordDestination, RecordPlace } from '../manifest/record-place.ts';

/**
 * O_NONBLOCK and O_NOFOLLOW: what lies at the path may be a pipe that nobody reads, or a symlink to another
 * file. O_APPEND makes one write one line, however many callers there are.
 */
export const recordFlags =
  constants.O_WRONLY |
  constants.O_APPEND |
  constants.O_CREAT |
  constants.O_NOFOLLOW |
  constants.O_NONBLOCK |
  constants.O_NOCTTY;

export const recordMode = 0o640;

/** What the engine that we run on has to do for it. */
export interface RecordFileEngine {
  /** Opens the file, making its directory if need be. @returns undefined when it takes too long. */
  openSoon(path: string): Promise<number | undefined>;
  /** Called when it is this caller's turn to begin a new file. */
  rotate(): Promise<void>;
}

/**
 * The record in a file. On a filesystem of the node's own it is opened when there is something to write, on any
 * other one by a thread, at once: that costs a tenth of a healthy mount, and a server that hangs hangs the
 * thread alone.
 */
export function openRecordFile(
  place: RecordPlace,
  { openSoon, rotate }: RecordFileEngine,
): RecordDestination {
  const { file, isLocal = false } = place;
  const open = isLocal ? async () => openNow(file, openSoon) : () => openSoon(file);
  const early = isLocal ? undefined : open();
  // It may fail before anybody waits for it.
  early?.catch(() => {});
  return {
    append: async (line) => {
      try {
        const fd = await reachable((await early) ?? (await open()), open);
        if (fd !== undefined && append(fd, line, place.maximumBytes)) await rotate();
      } catch {
        // A full disk, a read-only /var, no root: the words on stderr are what matters.
      }
    },
  };
}

/** The first line on a node finds no directory: that is made elsewhere. */
async function openNow(path: string, openSoon: RecordFileEngine['openSoon']): Promise<number | undefined> {
  try {
    return openSync(path, recordFlags, recordMode);
  } catch {
    return openSoon(path);
  }
}

/** What was opened, or the file that has come in its place: two rotations later nothing leads to it any more. */
async function reachable(
  fd: number | undefined,
  openAgain: () => Promise<number | undefined>,
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

/**
 * Of the callers that find the file too large, the one that passes the next sixteenth does the work: where it
 * fails (a full disk), the others do not all try the same in vain.
 */
function isDue(before: number, after: number, maximumBytes: number): boolean {
  const passed = (size: number) => Math.floor((size * tries) / maximumBytes);
  return after >= maximumBytes && passed(after) > passed(before);
}
