import { containingMount } from '../host/mount-tree.ts';
import type { MountEntry } from '../host/mountinfo.ts';
import { isNetworkType } from '../mount/filesystems/all.ts';

/** Whether a question about `path` goes to a server or a daemon, which may not answer. */
export function isNetworkMount(path: string, entries: readonly MountEntry[]): boolean {
  return isNetworkType(containingMount(entries, path).fstype);
}
