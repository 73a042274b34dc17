import { readFileSync, readlinkSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { pidsWhere } from '../host/processes.ts';

/** A call that has found its way into the rootfs is in there within milliseconds; on a node under load, later. */
const graceMs = 2000;

/**
 * Waits until the calls of now have ended, for a moment: one of them may have found the way into the rootfs that is
 * about to be taken away, and not have gone it yet. Those that have are seen by their root directory, and those
 * that begin from now on find the new way.
 */
export async function letCallsEnter(host: Host): Promise<void> {
  const deadline = host.now() + graceMs;
  let calls = pidsWhere((pid) => pid !== process.pid && isCall(pid));
  while (calls.length > 0 && host.now() < deadline) {
    await host.sleep(10);
    calls = calls.filter(isCall);
  }
}

/** The executable may have been exchanged since. */
const isMounter = /\/mounter(-full)?( \(deleted\))?$/;

/** Whether the process mounts by mounter, or runs something in the rootfs by it. */
function isCall(pid: number): boolean {
  try {
    if (!isMounter.test(readlinkSync(`/proc/${pid}/exe`))) return false;
    const [name = '', command] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return command === 'mount' || command === 'exec' || /(^|\/)mount\.[^/]+$/.test(name);
  } catch {
    return false; // It ended while we looked.
  }
}
