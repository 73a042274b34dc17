import { existsSync, realpathSync } from 'node:fs';
import { type MountEntry, mountsBelow, readMountinfo } from '../host/mountinfo.ts';
import { roleOf } from '../lock-services/services.ts';
import { isShared } from '../manifest/shared-mounts.ts';
import type { NodeContext } from '../node/node.ts';
import { wantedEnter } from '../rootfs/entrance.ts';
import { processesIn } from '../rootfs/root-processes.ts';
import { planChrootRemoval } from './home-mount.ts';
import { applyActions, detachActions } from './mount-actions.ts';
import { otherPins, pinsOf, unpinOthers } from './namespace/pins.ts';
import { waitForRunningCalls } from './running-calls.ts';

/**
 * A version that is no longer in use still sees the kubelet directory, and each volume has one more line of
 * mountinfo for it. Its daemons need no such view: they serve a volume, however many mounts show it. A
 * helper at work does, and so does a kubelet that runs in that version.
 */

/**
 * Takes away what calls enter no more, now that they enter `root`: the namespaces of other versions, and what
 * the other way to enter has left. What runs from there goes on. To be called after every switch.
 * @param root the version in use, without symlinks.
 * @returns what was done, a line each.
 */
export async function retireOldVersions(root: string, context: NodeContext): Promise<readonly string[]> {
  const { host, manifest } = context;
  const isChroot = wantedEnter(manifest, host) === 'chroot';
  const kept = [isChroot ? undefined : pinsOf(root)].filter((pins) => pins !== undefined);
  const done: string[] = [];
  if (hasOtherWays(root, kept, context)) {
    await waitForRunningCalls(host);
    done.push(...(await (isChroot ? detachOldViews(root, context) : removeChrootMounts(root, context))));
  }
  return [...done, ...(await unpinOthers(kept, host))];
}

/** Whether something is left that a call may have found for its way in. */
function hasOtherWays(root: string, kept: readonly string[], context: NodeContext): boolean {
  const { host, layout, manifest } = context;
  const entries = readMountinfo(host);
  if (otherPins(kept, entries).length > 0) return true;
  const left =
    wantedEnter(manifest, host) === 'chroot'
      ? viewsBeside(root, context, entries)
      : planChrootRemoval(realpathSync(layout.home), entries);
  return left.length > 0;
}

/** All of them, unless a helper is at work between them: what it mounts would not reach the host. */
async function removeChrootMounts(root: string, context: NodeContext): Promise<readonly string[]> {
  const { host, layout, manifest } = context;
  const actions = planChrootRemoval(realpathSync(layout.home), readMountinfo(host));
  if (actions.length === 0) return [];
  const needing = processesIn(host, layout.versions, host.processes()).find(
    (process) => roleOf(process, manifest) === 'other',
  );
  return needing === undefined ? applyActions(actions) : detachOldViews(root, context);
}

/**
 * Detaches the kubelet directory from every version but `root`, where nothing runs in it but daemons. Never
 * a volume on the host: the view is made private first.
 * @param root the version in use, without symlinks.
 * @returns what was done, a line each.
 */
async function detachOldViews(root: string, context: NodeContext): Promise<readonly string[]> {
  const { host, manifest } = context;
  const views = viewsBeside(root, context, readMountinfo(host));
  if (views.length === 0) return [];
  const processes = host.processes();
  const done: string[] = [];
  for (const { version, entry } of views) {
    const needing = processesIn(host, version, processes).find(
      (process) => roleOf(process, manifest) === 'other',
    );
    if (needing !== undefined) continue;
    await applyActions(detachActions(entry.mountPoint));
    done.push(`detached ${entry.mountPoint}, which is no longer used`);
  }
  return done;
}

function viewsBeside(
  root: string,
  { layout, manifest }: NodeContext,
  entries: readonly MountEntry[],
): readonly View[] {
  if (!existsSync(layout.versions)) return [];
  const versions = realpathSync(layout.versions);
  const shared = manifest.mounts.mounter.filter(isShared);
  const paths = shared.map(({ rootfs: path }) => path);
  return oldViews({ versions, root, paths }, entries);
}

interface View {
  /** `versions/<digest>`, without symlinks. */
  readonly version: string;
  readonly entry: MountEntry;
}

interface Place {
  /** Without symlinks, like `root`. */
  readonly versions: string;
  /** The version in use. */
  readonly root: string;
  /** Where a rootfs has what it shares with the host. */
  readonly paths: readonly string[];
}

/** What is mounted at such a path in another version; of several layers the topmost first. */
export function oldViews({ versions, root, paths }: Place, entries: readonly MountEntry[]): readonly View[] {
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
