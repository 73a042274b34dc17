import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { ProcessInformation } from './host.ts';

/** What is still there while we read /proc. */
export function processes(): readonly ProcessInformation[] {
  const found: ProcessInformation[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      found.push(processInformation(Number(name)));
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
