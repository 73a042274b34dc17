import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/**
 * The proportional set size of every process of this pid namespace but this one, in MB of 10^6 bytes: memory
 * that several share is counted once.
 * @see proc_pid_smaps(5), smaps_rollup
 */
function heldMemoryMb(): number {
  let kib = 0;
  for (const pid of readdirSync('/proc')) {
    if (/^\d+$/.test(pid) && Number(pid) !== process.pid) kib += pssKib(pid);
  }
  return (kib * 1024) / 1e6;
}

/** Of one process, in MB. */
export function pssMb(pid: string): number {
  return (pssKib(pid) * 1024) / 1e6;
}

/**
 * ```
 * Pss:                1234 kB
 * ```
 */
function pssKib(pid: string): number {
  try {
    return Number(/^Pss: +(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0; // It ended while we looked.
  }
}

/** Looks again and again until `over`. @returns what was held at each look, in MB. */
export async function watchMemory(over: AbortSignal, everyMs: number): Promise<readonly number[]> {
  const figures: number[] = [];
  while (!over.aborted) {
    figures.push(heldMemoryMb());
    await setTimeout(everyMs, undefined, { signal: over }).catch(() => {});
  }
  return figures;
}
