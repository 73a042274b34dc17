import { chmodSync, mkdirSync, openSync } from 'node:fs';
import { openRecordFile, recordFlags, recordMode } from '../host/record-file.ts';
import type { OpenRecord, RecordPlace } from '../record/destination.ts';

/** The places that the front writes to by itself: those that wait for no server. */
export function isRecordedHere({ to, isLocal }: RecordPlace): boolean {
  return to === 'none' || (to === 'file' && isLocal === true);
}

/** The way to the record, for places that `isRecordedHere` is true of. */
export const openRecord: OpenRecord = (place) =>
  place.to === 'none'
    ? { append: async () => {} }
    : openRecordFile(place, {
        openSoon: async (path) => openWithDirectory(path),
        rotate: async () => (await import('./rotate.ts')).rotate(),
      });

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
