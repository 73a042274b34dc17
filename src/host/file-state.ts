import type { BigIntStats } from 'node:fs';

/**
 * What no two states of a file share: whatever writes it, or puts another in its place, changes ctime, which nobody can set.
 * Only a disk that loses what it holds, and a power cut, leave another content under the old times.
 * @param status in bigints: a number has no room for nanoseconds.
 */
export function fileStateOf({ dev, ino, mode, uid, gid, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, mode, uid, gid, size, mtimeNs, ctimeNs].join(' ');
}

/** No filesystem has coarser times: a file that is written so long after its last change has another ctime. */
const coarsestMs = 2000;

/** Whether a write after `nowMs`, in ms since 1970, gives the file another state. */
export function isSettled(changedMs: number, nowMs: number): boolean {
  return changedMs < nowMs - coarsestMs;
}
