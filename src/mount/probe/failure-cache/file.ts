import { fnv } from '../../../host/fnv.ts';
import type { Host } from '../../../host/host.ts';
import { failuresDirectory } from '../../../node/layout.ts';

/**
 * There are 256 files in which failures are remembered, and a server may share its own: so no name comes from anybody's
 * words. A mount to a healthy server looks once, and finds none; what reads it is loaded only then.
 */

/** What was found out about a server, for `limits.failureCacheSeconds`. One that cannot be read or written fails no mount. */
export interface FailureCache {
  readonly host: Host;
  readonly file: string;
  readonly question: string;
  /** Where it was asked from: another network, resolv.conf or hosts file may lead to another answer. */
  readonly place: string;
  readonly keptMs: number;
  /** Since the boot, for all processes alike, whatever is done to the clock. */
  nowMs(): number;
}

/** What is larger has not been written by us. */
export const maximumBytes = 16 * 1024;

const files = 256;

export function failureCacheFile(kind: string, servers: readonly string[]): string {
  return fileOf(fnv([kind, ...servers].join('\n')) % files);
}

export function memoryFiles(): readonly string[] {
  return Array.from({ length: files }, (_, index) => fileOf(index));
}

function fileOf(index: number): string {
  return `${failuresDirectory}/${index.toString(16).padStart(2, '0')}`;
}

/** Whether there is something to read; never throws. */
export function isRemembering(file: string | undefined, host: Host): boolean {
  if (file === undefined) return false;
  try {
    const status = host.lstat(file);
    return status?.kind === 'file' && status.size <= maximumBytes;
  } catch {
    return false;
  }
}

/** A server that has just answered is not remembered as a dead one; nor is another that shares its file. */
export function forget(file: string | undefined, host: Host): void {
  if (file === undefined) return;
  try {
    host.remove(file);
  } catch {
    // It expires by itself.
  }
}
