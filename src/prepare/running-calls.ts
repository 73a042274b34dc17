import { readlinkSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { isRoots, ownAncestry, pidsWhere } from '../host/processes.ts';

/** A call enters within milliseconds after it has chosen how; on a node under load, later. */
const graceMs = 2000;

/**
 * Waits, for a moment, until the calls that run now have ended: one of them may have chosen to enter the rootfs by what
 * is about to be taken away, and not have entered yet. A call that has entered is found by its root directory, and
 * one that begins later enters by what is there then.
 */
export async function waitForRunningCalls(host: Host): Promise<void> {
  const deadline = host.now() + graceMs;
  const ancestry = ownAncestry();
  let calls = pidsWhere((pid) => !ancestry.includes(pid) && isCall(pid));
  while (calls.length > 0 && host.now() < deadline) {
    await host.sleep(10);
    calls = calls.filter(isCall);
  }
}

/** The executable may have been exchanged since; a front out of the full executable lies in memory alone. */
const isMounter = /(?:\/|memfd:)mounter(-full)?( \(deleted\))?$/;

/**
 * Whether the process may be such a call: any mounter of root's. Its command line would say more, but to read that may
 * take for ever.
 */
function isCall(pid: number): boolean {
  try {
    return isMounter.test(readlinkSync(`/proc/${pid}/exe`)) && isRoots(pid);
  } catch {
    return false; // It ended while we looked.
  }
}
