import { closeSync, constants, openSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { mountsOn } from '../host/mount-tree.ts';
import { type MountEntry, mountAt, mountsBelow, readMountinfo } from '../host/mountinfo.ts';
import { runProgram } from '../host/run-program.ts';
import { isErrnoException } from '../host/system-error.ts';
import { detachActions } from './mount-actions.ts';
import { isOurSelfBind } from './self-binds.ts';

/**
 * A volume that comes to a directory just before `prepare` binds it on itself is beneath the bind: no path leads there
 * any more. A `prepare` that is killed at that moment leaves it so.
 */

/** The mounts beneath a bind of ours. A bind that is a peer of what it covers has the same mounts, and hides none. */
function hiddenBelow(directory: string, entries: readonly MountEntry[]): readonly MountEntry[] {
  if (!isOurSelfBind(directory, entries)) return [];
  const bind = mountAt(entries, directory);
  const holder = entries.find(({ mountId }) => mountId === bind?.parentId);
  if (holder === undefined || (holder.peerGroup !== undefined && holder.peerGroup === bind?.peerGroup))
    return [];
  return mountsBelow(mountsOn(holder, entries), directory);
}

/**
 * Brings it into sight; or takes the bind away, where the kernel does not let us reach beneath it.
 * @returns what was done, a line each; nothing where nothing is hidden.
 * @throws MounterError (system) when neither can be done: other volumes are mounted on the bind.
 */
export async function bringIntoSight(directory: string, host: Host): Promise<readonly string[]> {
  const entries = readMountinfo(host);
  const hidden = hiddenBelow(directory, entries);
  const [first] = hidden;
  if (first === undefined) return [];
  const holder = entries.find(({ mountId }) => mountId === first.parentId);
  try {
    await bringUp(directory, holder?.mountPoint ?? '/', hidden, entries);
    return hidden.map(({ mountPoint }) => `brought ${mountPoint} into sight`);
  } catch (error) {
    if (!isErrnoException(error)) throw error;
    return (await takeAway(directory, host)) ? [`umount ${directory}`] : [];
  }
}

/** Moves each hidden mount to the same path on the bind. For a moment it is there twice; it is never missing. */
async function bringUp(
  directory: string,
  holder: string,
  hidden: readonly MountEntry[],
  entries: readonly MountEntry[],
): Promise<void> {
  const bind = mountAt(entries, directory);
  const { changeDirectory, openBeneath } = await import('../host/mount-calls.ts');
  const { applyHere } = await import('./namespace/apply-here.ts');
  const before = openSync('.', constants.O_RDONLY | constants.O_DIRECTORY);
  const beneath = openBeneath(directory, holder);
  try {
    changeDirectory(beneath);
    for (const { mountPoint, device } of hidden) {
      const hiddenPath = `.${mountPoint.slice(directory.length)}`;
      // A run that was killed may have bound it already.
      const isUp = mountsOn(bind, entries).some(
        (other) => other.mountPoint === mountPoint && other.device === device,
      );
      if (!isUp) applyHere([{ ...tree, from: hiddenPath, to: mountPoint }]);
      applyHere(detachActions(hiddenPath));
    }
  } finally {
    changeDirectory(before);
    closeSync(before);
    closeSync(beneath);
  }
}

const tree = { kind: 'bind', isRecursive: true, propagation: 'unchanged' } as const;

const [busyTries, busyMs] = [100, 50];

/**
 * Takes the bind away again, which is busy while a volume is mounted on it: that may have come meanwhile, too.
 * @returns false where nothing is hidden any more.
 */
async function takeAway(directory: string, host: Host): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    try {
      await runProgram('umount', ['--no-canonicalize', directory]);
      return true;
    } catch (error) {
      if (hiddenBelow(directory, readMountinfo(host)).length === 0) return false;
      if (tries === busyTries) throw error;
      await host.sleep(busyMs);
    }
  }
}
