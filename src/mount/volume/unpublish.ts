import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { Descriptor, UnmountHow } from '../../host/mount-host.ts';
import { type MountEntry, readMountinfo } from '../../host/mountinfo.ts';
import { volumeTypes } from '../../manifest/filesystem-kinds.ts';
import { identityMountOf } from '../../manifest/shared-mounts.ts';
import { isWithinVolume } from '../../node/within-volume.ts';
import { shellWord } from '../../shell-word.ts';
import { nameOf } from '../steps/path-walk.ts';
import { type OpenParent, openParent } from '../steps/target.ts';
import type { VolumeContext } from './publish.ts';

/** @see the CSI specification, NodeUnpublishVolume and NodeUnstageVolume */

/** What each way to unmount may take. A server that lives writes back what it lacks in the first. */
const ways: readonly (readonly [UnmountHow, number])[] = [
  ['plain', 5000],
  ['force', 1000],
  ['detach', 1000],
];
const copyWays: typeof ways = [['detach', 5000]];
/** A call that mounts there ends within its own limit, which is longer than anybody waits here. */
const lockMs = 5000;

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
  const opened = await openParent(target, identityMount, host.now() + lockMs, context);
  if (typeof opened === 'string') return;
  try {
    const name = nameOf(target);
    let entries = readMountinfo(host);
    for (const entry of mountedOn(opened, name, entries, context).reverse()) {
      if (!volumeTypes.includes(entry.fstype)) throw noVolume(target, entry);
      await unmount(opened.parent, target, isCopy(entry, entries) ? copyWays : ways, context);
      entries = entries.filter((one) => one !== entry);
    }
    const failure = isDirectoryRemoved ? host.removeIn(opened.parent, name) : undefined;
    if (failure !== undefined && failure !== 'ENOENT') throw notRemoved(target, failure);
  } finally {
    host.close(opened.parent);
  }
}

/**
 * The mounts on `name`, the topmost last, by the kernel's own table: to open what is mounted there may ask its server.
 */
function mountedOn(
  { parent, parentStatus }: OpenParent,
  name: string,
  entries: readonly MountEntry[],
  { host }: VolumeContext,
): MountEntry[] {
  const path = `${host.readLink(`/proc/self/fd/${parent}`)}/${name}`;
  const found: MountEntry[] = [];
  for (let { mountId } = parentStatus; ; ) {
    const next = entries.find((one) => one.parentId === mountId && one.mountPoint === path);
    if (next === undefined) return found;
    found.push(next);
    mountId = next.mountId;
  }
}

/** Whether the same is mounted elsewhere too: nothing is written back when it goes, and nothing is lost. */
function isCopy(entry: MountEntry, entries: readonly MountEntry[]): boolean {
  return entries.some(({ device, mountId }) => device === entry.device && mountId !== entry.mountId);
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
