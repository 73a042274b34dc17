import { containingMount } from '../host/mount-tree.ts';
import type { MountEntry } from '../host/mountinfo.ts';

/** Whether a question about `path` goes to a server or a daemon, which may not answer. */
export function isNetworkMount(path: string, entries: readonly MountEntry[]): boolean {
  return /^(nfs4?|cifs|smb3|ceph|9p|autofs|fuse\..*|afs|lustre|glusterfs)$/.test(
    containingMount(entries, path).fstype,
  );
}
