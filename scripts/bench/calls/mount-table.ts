import { readFileSync } from 'node:fs';
import { spreadOf } from '../report/statistics.ts';

const readings = 7;

/** How many mounts this namespace has, and how long it takes to read them all. */
export function mountTable(): { readonly entries: number; readonly readMs: number } {
  const times = Array.from({ length: readings }, () => {
    const started = performance.now();
    readFileSync('/proc/self/mountinfo');
    return performance.now() - started;
  });
  const entries = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length - 1;
  return { entries, readMs: spreadOf(times).median };
}
