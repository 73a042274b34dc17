import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { Descriptor, UnmountHow } from '../../host/mount-host.ts';
import { type MountEntry, readMountinfo } from '../../host/mountinfo.ts';
import { identityMountOf } from '../../manifest/shared-mounts.ts';
import { isWithinVolume } from '../../node/within-volume.ts';
import { shellWord } from '../../shell-word.ts';
import { volumeTypes } from '../filesystems/all.ts';
import { nameOf, partsBelow, walk } from '../steps/path-walk.ts';
import { lockTarget } from '../steps/target-lock.ts';
import type { VolumeContext } from './publish.ts';

/** @see the CSI specification, NodeUnpublishVolume and NodeUnstageVolume */

/** What each way to unmount may take. A server that lives writes back what it lacks in the first. */
const ways: readonly (readonly [UnmountHow, number])[] = [
  ['plain', 5000],
  ['force', 1000],
  ['detach', 1000],
];
const copyWays: typeof ways = [['detach', 1000]];
/** A call that mounts there ends within its own limit, which is longer than anybody waits here. */
const lockMs = 5000;
/** More than any stack of mounts that calls could leave. */
const maximumLayers = 8;

/**
 * Takes away what is mounted on a path, whatever its server does, and the directory if it is to go as well.
 * @throws MounterError (mount failure, class busy) where the kernel refuses, what is mounted there is no volume, or the
 *   directory is not empty; (usage) for a path within a volume: the directories there are the volume's.
 */
export async function unpublish(
  target: string,
  { isDirectoryRemoved }: { readonly isDirectoryRemoved: boolean },
  context: VolumeContext,
): Promise<void> {
  const { host, manifest } = context;
  const identityMount = identityMountOf(target, manifest);
  if (isWithinVolume(target.slice(identityMount.length + 1))) throw withinVolume(target);
  const { steps, file: parent } = walk(identityMount, partsBelow(identityMount, target).slice(0, -1), host);
  const parentStatus = steps.at(-1);
  if (parent === undefined || parentStatus === undefined) return;
  try {
    await lockTarget(target, { ...parentStatus, file: parent }, host.now() + lockMs, context);
    const name = nameOf(target);
    for (let layer = 0; layer < maximumLayers; layer += 1) {
      const mountId = mountIdOf(parent, name, context);
      if (mountId === undefined || mountId === parentStatus.mountId) break;
      const entries = readMountinfo(host);
      const entry = entries.find((one) => one.mountId === mountId);
      if (entry !== undefined && !volumeTypes.includes(entry.fstype)) throw noVolume(target, entry);
      await unmount(parent, target, isCopy(entry, entries) ? copyWays : ways, context);
    }
    const failure = isDirectoryRemoved ? host.removeIn(parent, name) : undefined;
    if (failure !== undefined && failure !== 'ENOENT') throw notRemoved(target, failure);
  } finally {
    host.close(parent);
  }
}

/** Nothing of it stays open: it would be busy. */
function mountIdOf(parent: Descriptor, name: string, { host }: VolumeContext): number | undefined {
  const file = host.openIn(parent, name);
  if (file === undefined) return undefined;
  const { mountId } = host.statusOf(file);
  host.close(file);
  return mountId;
}

/** Whether the same is mounted elsewhere too: nothing is written back when it goes, and nothing is lost. */
function isCopy(entry: MountEntry | undefined, entries: readonly MountEntry[]): boolean {
  return entries.some(({ device, mountId }) => device === entry?.device && mountId !== entry.mountId);
}

function withinVolume(target: string): MounterError {
  return new MounterError("it lies within a volume, and what is there is that volume's own", {
    subject: target,
    status: exitCode.usage,
    errorClass: 'mount-point',
    hint: 'name the path on which the volume was published, or staged',
  });
}

function noVolume(target: string, { source, fstype }: MountEntry): MounterError {
  return new MounterError(`${source} (${fstype}) is mounted there, which is no volume of this driver`, {
    subject: target,
    status: exitCode.mountFailure,
    errorClass: 'busy',
    hint: `whoever has mounted it unmounts it: umount ${shellWord(target)}`,
  });
}

async function unmount(
  parent: Descriptor,
  target: string,
  inTurn: typeof ways,
  { host }: VolumeContext,
): Promise<void> {
  let refusal = 'silent';
  for (const [how, limitMs] of inTurn) {
    const failure = await host.unmountIn(parent, nameOf(target), how, limitMs);
    // EINVAL: it is no mount point any more.
    if (failure === undefined || failure === 'EINVAL') return;
    refusal = failure;
  }
  throw new MounterError(`cannot be unmounted: ${refusal}`, {
    subject: target,
    status: exitCode.mountFailure,
    errorClass: 'busy',
    hint: `it is tried again; see who uses it: fuser -vm ${shellWord(target)}`,
  });
}

function notRemoved(target: string, failure: string): MounterError {
  return new MounterError(
    failure === 'ENOTEMPTY' || failure === 'EEXIST'
      ? 'nothing is mounted there any more, but the directory is not empty: somebody wrote beneath the volume'
      : `the directory cannot be removed: ${failure}`,
    {
      subject: target,
      status: exitCode.mountFailure,
      errorClass: 'busy',
      hint: 'see what is in it, and move that away; it is never removed by itself',
    },
  );
}
