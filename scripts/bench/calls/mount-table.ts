import { readFileSync } from 'node:fs';
import { spreadOf } from '../report/statistics.ts';

const readings = 7;

/** How many mounts the namespace of a process has, and how long it takes to read them all. */
export function mountTable(pid: number): { readonly entries: number; readonly readMs: number } {
  const times = Array.from({ length: readings }, () => {
    const started = performance.now();
    readFileSync(`/proc/${pid}/mountinfo`);
    return performance.now() - started;
  });
  const entries = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n').length - 1;
  return { entries, readMs: spreadOf(times).median };
}
