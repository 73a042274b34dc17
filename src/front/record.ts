import { chmodSync, mkdirSync, openSync } from 'node:fs';
import * as system from 'system-calls';
import type { WriteRecord } from '../record/call.ts';
import { appendToFile, recordFlags, recordMode } from '../record/record-file.ts';

/** The way to the record of the front: what waits for no server is written here, all else by the full executable. */
export const writeRecord: WriteRecord = async (place, line, level) => {
  if (place.to === 'none') return;
  try {
    if (place.to === 'journal' || place.isLocal !== true) await appendByFull(line, level);
    // It can sum up what was in the old file.
    else if (await appendToFile(place, line, openWithDirectory))
      await (await import('./full.ts')).runFull(['log', '--rotate'], rotateMs);
  } catch {
    // A full disk, a read-only /var, no root, no more processes: the words on stderr are what matters.
  }
};

const rotateMs = 30_000;

/** A slow record is given up by the program itself; this is for a node that is short of processors. */
const appendMs = 2000;

async function appendByFull(line: string, level: number): Promise<void> {
  const ends = system.pipe();
  if (typeof ends === 'number') return;
  const [from = -1, to = -1] = ends;
  // A line of the record is shorter than a pipe is wide.
  system.write(to, line);
  system.close(to);
  try {
    await (await import('./full.ts')).runFull(['log', '--append', String(level)], appendMs, from);
  } finally {
    system.close(from);
  }
}

/** The first line on a node finds no directory. */
function openWithDirectory(path: string): number {
  try {
    return openSync(path, recordFlags, recordMode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    makeDirectory(path.slice(0, path.lastIndexOf('/')));
    return openSync(path, recordFlags, recordMode);
  }
}

function makeDirectory(path: string): void {
  if (path === '') return;
  try {
    mkdirSync(path, { mode: 0o755 });
    // Whatever kubelet's umask is: operators look for it.
    chmodSync(path, 0o755);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT') throw error;
    makeDirectory(path.slice(0, path.lastIndexOf('/')));
    makeDirectory(path);
  }
}
