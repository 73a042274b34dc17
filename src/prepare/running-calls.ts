import { readlinkSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { isRoots, ownAncestry, pidsWhere } from '../host/processes.ts';

/** A call that has found its way into the rootfs is in there within milliseconds; on a node under load, later. */
const graceMs = 2000;

/**
 * Waits until the calls of now have ended, for a moment: one of them may have found the way into the rootfs that is
 * about to be taken away, and not have gone it yet. Those that have are seen by their root directory, and those
 * that begin from now on find the new way.
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
 * Whether the process may be such a call: a mounter of root's, whatever it does, for its command line could keep us
 * waiting. What has started us is none.
 */
function isCall(pid: number): boolean {
  try {
    return isMounter.test(readlinkSync(`/proc/${pid}/exe`)) && isRoots(pid);
  } catch {
    return false; // It ended while we looked.
  }
}
