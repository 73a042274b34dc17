import { mkdirSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { recordKubeletRoot } from '../rootfs/kubelet-roots.ts';
import { applyActions, type MountAction } from '../rootfs/mount-actions.ts';
import { makeRunDirectory } from '../rootfs/run-directory.ts';
import { recordSelfBind } from '../rootfs/self-binds.ts';
import { planShared } from '../rootfs/shared-mount.ts';
import { kubeletViewDirectory, readKubeletRoots } from '../rootfs/way-out.ts';
import { type HostMount, kubeletDirectory, type Offer, offeredMounts } from './offer.ts';

/** One is enough, after which nothing is left to do; more for somebody who meddles. */
const maximumRounds = 4;

/**
 * Shares the kubelet directory on the host, where a kubelet in an image needs nothing else.
 * @returns what was done, a line each; nothing where all is in place.
 * @throws MounterError that names the path. What was done until then stays and is found by the next run.
 */
export async function shareKubeletDirectory(offer: Offer, host: Host): Promise<readonly string[]> {
  const directory = kubeletDirectory(offer);
  const earlier = readKubeletRoots(host).find(({ root }) => root === offer.root);
  recordKubeletRoot(host, { root: offer.root, kubeletDirectory: directory, targets: earlier?.targets });
  return await share(directory, host);
}

async function share(directory: string, host: Host): Promise<readonly string[]> {
  const done: string[] = [];
  for (let round = 1; round <= maximumRounds; round += 1) {
    const actions = planSharing(directory, host);
    if (actions.length === 0) return done;
    if (actions.some(({ kind }) => kind === 'bind')) recordSelfBind(directory);
    done.push(...(await applyActions(actions)));
  }
  throw new MounterError('its mounts do not become as they should be', {
    subject: directory,
    status: exitCode.system,
    hint: 'see whether something else mounts there at the same time, and whether / is shared (mount --make-rshared /)',
  });
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
  // The kubelet's is the caller's.
  const umask = process.umask(0o022);
  try {
    makeRunDirectory();
    mkdirSync(kubeletViewDirectory, { recursive: true });
    for (const mount of offeredMounts(offer)) makeDirectory(mount);
  } finally {
    process.umask(umask);
  }
}

function makeDirectory({ host, create, optional }: HostMount): void {
  if (create === undefined) return;
  try {
    mkdirSync(host, { recursive: true, mode: Number.parseInt(create, 8) });
  } catch (error) {
    if (!optional) throw error;
  }
}
