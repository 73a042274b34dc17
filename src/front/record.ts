import { chmodSync, mkdirSync, openSync } from 'node:fs';
import type { OpenRecord } from '../manifest/record-place.ts';
import { openRecordFile, recordFlags, recordMode } from '../record/record-file.ts';

/** The way to the record: what waits for no server is written here, all else by another program. */
export const openRecord: OpenRecord = (place) => {
  if (place.to === 'none') return { append: async () => {} };
  if (place.to === 'journal' || place.isLocal !== true)
    return { append: async (...line) => (await import('./by-full.ts')).appendByFull(...line) };
  return openRecordFile(place, {
    openSoon: async (path) => openWithDirectory(path),
    rotate: async () => (await import('./by-full.ts')).rotate(),
  });
};

/** The first line on a node finds no directory. */
function openWithDirectory(path: string): number {
  makeDirectory(path.slice(0, path.lastIndexOf('/')));
  return openSync(path, recordFlags, recordMode);
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
