import { mkdirSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { writeAtomically } from '../host/replace.ts';
import { makeRunDirectory } from '../node/lock.ts';
import type { MountAction } from '../prepare/mount-actions.ts';
import { shareDirectory } from '../prepare/share-directory.ts';
import { planShared } from '../prepare/shared-mount.ts';
import {
  type KubeletRoot,
  kubeletRootsFile,
  kubeletViewDirectory,
  readKubeletRoots,
} from '../rootfs/kubelet-chroot.ts';
import { type HostMount, kubeletDirectory, type Offer, offeredMounts } from './offer.ts';

/**
 * Shares the kubelet directory on the host, where a kubelet in an image needs nothing else.
 * @returns what was done, a line each; nothing where all is in place.
 * @throws MounterError that names the path. What was done until then stays and is found by the next run.
 */
export async function shareKubeletDirectory(offer: Offer, host: Host): Promise<readonly string[]> {
  const directory = kubeletDirectory(offer);
  const earlier = readKubeletRoots(host).find(({ root }) => root === offer.root);
  recordKubeletRoot(host, { root: offer.root, kubeletDirectory: directory, targets: earlier?.targets });
  return await shareDirectory({ host: directory, rootfs: directory }, host);
}

/** For `teardown`. What was known of this root before is replaced. */
function recordKubeletRoot(host: Host, root: KubeletRoot): void {
  const others = readKubeletRoots(host).filter((other) => other.root !== root.root);
  const text = JSON.stringify([...others, root]);
  if (host.readText(kubeletRootsFile) !== text) writeAtomically(kubeletRootsFile, text, 0o644);
}

/** What `shareKubeletDirectory` would do on the host now. */
export function planSharing(directory: string, host: Host): readonly MountAction[] {
  return planShared({ host: directory, rootfs: directory }, readMountinfo(host));
}

/**
 * Makes the directories of the host that a kubelet outside of an image makes for itself (those with "create" in the
 * manifest), and the one that its view is mounted on. A kubelet directory of another name has to be there already.
 */
export function makeDirectories(offer: Offer): void {
  makeRunDirectory();
  mkdirSync(kubeletViewDirectory, { recursive: true });
  for (const mount of offeredMounts(offer)) makeDirectory(mount);
}

function makeDirectory({ host, create, optional }: HostMount): void {
  if (create === undefined) return;
  try {
    mkdirSync(host, { recursive: true, mode: Number.parseInt(create, 8) });
  } catch (error) {
    if (!optional) throw error;
  }
}
