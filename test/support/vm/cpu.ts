import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';

/** Long enough for a few ticks of 10 ms, short against a boot of 1.3 s. */
const sampleMs = 60;

/** CPU → how many guests of this process run on it. */
const guests = new Map<number, number>();

/**
 * Runs `action` with the number of a CPU for a guest: of those that this process may use, one without a guest
 * of this process, and of these the one that was idle for the longest just now.
 */
export async function withGuestCpu<T>(action: (cpu: number) => Promise<T>): Promise<T> {
  const idle = await idleTicksOfAllowedCpus();
  const count = (cpu: number): number => guests.get(cpu) ?? 0;
  const [cpu = 0] = [...idle.keys()].sort(
    (a, b) => count(a) - count(b) || (idle.get(b) ?? 0) - (idle.get(a) ?? 0),
  );
  guests.set(cpu, count(cpu) + 1);
  try {
    return await action(cpu);
  } finally {
    guests.set(cpu, count(cpu) - 1);
  }
}

async function idleTicksOfAllowedCpus(): Promise<ReadonlyMap<number, number>> {
  const allowed = allowedCpus(await readFile('/proc/self/status', 'utf8'));
  const before = idleTicks(await readFile('/proc/stat', 'utf8'));
  await setTimeout(sampleMs);
  const after = idleTicks(await readFile('/proc/stat', 'utf8'));
  return new Map(allowed.map((cpu) => [cpu, (after.get(cpu) ?? 0) - (before.get(cpu) ?? 0)]));
}

/** proc(5): `Cpus_allowed_list:	0-3,6` */
function allowedCpus(status: string): readonly number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** proc(5): `cpu1 user nice system idle …`; CPU number → idle ticks. */
function idleTicks(stat: string): ReadonlyMap<number, number> {
  const lines = stat.matchAll(/^cpu(\d+) \d+ \d+ \d+ (\d+)/gm);
  return new Map([...lines].map(([, cpu, idle]) => [Number(cpu), Number(idle)]));
}
