import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { ProcessInformation } from './host.ts';

/** What is still there while we read /proc. */
export function processes(): readonly ProcessInformation[] {
  return processesWhere(() => true);
}

/**
 * Those whose program has one of these names. A command line is read from the process's memory, and that
 * waits while the process itself waits for a dead server: of other processes the name alone is read, which
 * never does.
 */
export function processesNamed(names: readonly string[]): readonly ProcessInformation[] {
  // The kernel keeps 15 bytes of it.
  const kept = names.map((name) => name.slice(0, 15));
  return processesWhere((pid) => kept.includes(readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd()));
}

function processesWhere(isWanted: (pid: string) => boolean): readonly ProcessInformation[] {
  const found: ProcessInformation[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (isWanted(name)) found.push(processInformation(Number(name)));
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

function processInformation(pid: number): ProcessInformation {
  const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  return {
    pid,
    commandLine,
    root: linkOf(`/proc/${pid}/root`),
    isInOurNetwork: linkOf(`/proc/${pid}/ns/net`) === linkOf('/proc/self/ns/net'),
  };
}

/** @returns undefined for what a kernel thread, a zombie or another user's process does not show. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
