import { existsSync, realpathSync } from 'node:fs';
import type { ProcessInformation } from '../host/host.ts';
import { type MountEntry, mountsBelow, readMountinfo } from '../host/mountinfo.ts';
import { isShared } from '../manifest/shared-mounts.ts';
import type { NodeContext } from '../node/node.ts';
import { wantedEnter } from '../rootfs/entrance.ts';
import { processesIn } from '../rootfs/root-processes.ts';
import { roleOf } from '../services/services.ts';
import { planChrootRemoval } from './home-mount.ts';
import { applyActions, detachActions } from './mount-actions.ts';
import { otherPins, pinsOf, pinsOfOthers, unpinOthers } from './namespace/pins.ts';
import { waitForRunningCalls } from './running-calls.ts';

/**
 * With chroot(2), a version that is no longer in use still has the kubelet directory mounted, and each volume costs
 * one more line of mountinfo for it. Its daemons do not need that mount: they serve a volume, however many mounts show
 * it. A helper at work does, and so does a kubelet that runs in that version.
 */

/**
 * Takes away what no call enters any more, now that calls enter `root`: the namespaces of other versions, and what
 * was mounted for the other value of `enter`. What runs in there goes on. To be called after every switch.
 * @param root the version in use, without symlinks.
 * @returns what was done, a line each.
 */
export async function retireOldVersions(root: string, context: NodeContext): Promise<readonly string[]> {
  const { host, layout, manifest } = context;
  const isChroot = wantedEnter(manifest, host) === 'chroot';
  const own = isChroot ? undefined : pinsOf(root);
  const kept = [...(own === undefined ? [] : [own]), ...pinsOfOthers(layout, host)];
  const done: string[] = [];
  if (hasOtherEntrances(root, kept, context)) {
    await waitForRunningCalls(host);
    done.push(...(await (isChroot ? detachInOldVersions(root, context) : removeChrootMounts(root, context))));
  }
  return [...done, ...(await unpinOthers(kept, host))];
}

/** Whether something is left that a call may have chosen to enter by, before the switch. */
function hasOtherEntrances(root: string, kept: readonly string[], context: NodeContext): boolean {
  const { host, layout, manifest } = context;
  const entries = readMountinfo(host);
  if (otherPins(kept, entries).length > 0) return true;
  const left =
    wantedEnter(manifest, host) === 'chroot'
      ? leftInOldVersions(root, context, entries)
      : planChrootRemoval(realpathSync(layout.home), entries);
  return left.length > 0;
}

/** All of them, unless a helper is at work in one: what it mounts would not reach the host. */
async function removeChrootMounts(root: string, context: NodeContext): Promise<readonly string[]> {
  const { host, layout } = context;
  const actions = planChrootRemoval(realpathSync(layout.home), readMountinfo(host));
  if (actions.length === 0) return [];
  const needed = isNeeded(layout.versions, host.processes(), context);
  return needed ? detachInOldVersions(root, context) : applyActions(actions);
}

/**
 * Detaches the kubelet directory from every version but `root`, unless something other than a daemon runs there. Never
 * a volume on the host: the mount is made private first.
 */
async function detachInOldVersions(root: string, context: NodeContext): Promise<readonly string[]> {
  const left = leftInOldVersions(root, context, readMountinfo(context.host));
  if (left.length === 0) return [];
  const processes = context.host.processes();
  const done: string[] = [];
  for (const { version, entry } of left) {
    if (isNeeded(version, processes, context)) continue;
    await applyActions(detachActions(entry.mountPoint));
    done.push(`detached ${entry.mountPoint}, which is no longer used`);
  }
  return done;
}

/** Whether anything but a daemon runs in the directory. */
function isNeeded(
  directory: string,
  processes: readonly ProcessInformation[],
  { host, manifest }: NodeContext,
): boolean {
  return processesIn(host, [directory], processes).some((process) => roleOf(process, manifest) === 'other');
}

interface MountInVersion {
  /** `versions/<digest>`, without symlinks. */
  readonly version: string;
  readonly entry: MountEntry;
}

/**
 * What other versions than `root` still have of the directories that are shared with a rootfs.
 * @param root the version in use, without symlinks.
 * @returns of several layers the topmost first.
 */
export function leftInOldVersions(
  root: string,
  { layout, manifest }: Pick<NodeContext, 'layout' | 'manifest'>,
  entries: readonly MountEntry[],
): readonly MountInVersion[] {
  if (!existsSync(layout.versions)) return [];
  const paths = manifest.mounts.mounter.filter(isShared).map(({ rootfs: path }) => path);
  return mountsInOtherVersions(realpathSync(layout.versions), root, paths, entries);
}

/**
 * @param versions the directory of versions, without symlinks.
 * @param paths where a rootfs has what it shares with the host.
 */
export function mountsInOtherVersions(
  versions: string,
  root: string,
  paths: readonly string[],
  entries: readonly MountEntry[],
): readonly MountInVersion[] {
  return mountsBelow(entries, versions)
    .map((entry) => ({ entry, version: versionOf(versions, entry.mountPoint) }))
    .filter(
      ({ entry, version }) => version !== root && paths.some((path) => entry.mountPoint === version + path),
    )
    .reverse();
}

function versionOf(versions: string, mountPoint: string): string {
  const name = mountPoint.slice(versions.length + 1).split('/')[0] ?? '';
  return `${versions}/${name}`;
}
