import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { ProcessInformation } from './host.ts';

/** What is still there while we read /proc. */
export function processes(): readonly ProcessInformation[] {
  return pidsWhere(() => true).flatMap(informationOf);
}

/**
 * Those whose program has one of these names. A command line is read from the process's memory, and that
 * waits while the process itself waits for a dead server: of other processes the name alone is read, which
 * never does.
 */
export function processesNamed(names: readonly string[]): readonly ProcessInformation[] {
  return pidsNamed(names).flatMap(informationOf);
}

/** The ids alone: nothing is read that could wait. */
export function pidsNamed(names: readonly string[]): readonly number[] {
  // The kernel keeps 15 bytes of it.
  const kept = names.map((name) => name.slice(0, 15));
  return pidsWhere((pid) => kept.includes(textOf(`/proc/${pid}/comm`)?.trimEnd() ?? ''));
}

/** @param isWanted is asked of each process, which may end meanwhile. */
export function pidsWhere(isWanted: (pid: number) => boolean): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(isWanted);
}

/** @returns none where the process has ended while we looked. */
function informationOf(pid: number): readonly ProcessInformation[] {
  const text = textOf(`/proc/${pid}/cmdline`);
  if (text === undefined) return [];
  const commandLine = text.split('\0').slice(0, -1);
  const isInOurNetwork = linkOf(`/proc/${pid}/ns/net`) === linkOf('/proc/self/ns/net');
  return [{ pid, commandLine, root: linkOf(`/proc/${pid}/root`), isInOurNetwork }];
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** @returns undefined for what a kernel thread, a zombie or another user's process does not show. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
