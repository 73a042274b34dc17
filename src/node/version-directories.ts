import { chmodSync, chownSync, statSync } from 'node:fs';
import type { Layout } from './layout.ts';

/**
 * Keeps all but root out of the images: out of their set-user-ID programs, devices and /tmp. What runs in a rootfs and
 * is not root, such as rpc.statd, begins its ways in there.
 * @returns what was done, a line each; nothing where it is so already, or nothing is installed.
 */
export function closeVersions({ versions }: Layout): readonly string[] {
  const status = statSync(versions, { throwIfNoEntry: false });
  if (status === undefined || isClosed(status)) return [];
  // The owner first: it could change the mode.
  if (status.uid !== 0) chownSync(versions, 0, 0);
  chmodSync(versions, 0o700);
  // A directory that was made just now is news to nobody.
  return (status.mode & 0o007) === 0 ? [] : [`closed ${versions} to all but root`];
}

/** Whether root alone enters it. */
export function isClosed({ uid, mode }: { readonly uid: number; readonly mode: number }): boolean {
  return uid === 0 && (mode & 0o077) === 0;
}
