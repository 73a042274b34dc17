import { existsSync, realpathSync, rmSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { isSelfBind } from '../host/mount-tree.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import { failuresDirectory } from '../node/layout.ts';
import type { NodeContext } from '../node/node.ts';
import { isAtOrBelow } from '../rootfs/root-processes.ts';
import { applyActions, detachAll } from './mount-actions.ts';
import { pinsDirectory } from './namespace/pins.ts';
import { undoSelfBinds } from './self-binds.ts';

/**
 * Runs `lay`, and takes away what it has mounted when it fails: where nothing was mounted before, nothing is then.
 * What it has mended stays. The next run finds what cannot be taken away now.
 * @throws what `lay` throws.
 */
export async function layOrUndo<T>(context: NodeContext, lay: () => Promise<T>): Promise<T> {
  const before = new Set(readMountinfo(context.host).map(({ mountPoint }) => mountPoint));
  const missing = [pinsDirectory, failuresDirectory].filter((directory) => !existsSync(directory));
  try {
    return await lay();
  } catch (error) {
    await undo(before, missing, context).catch(() => {});
    throw error;
  }
}

/**
 * Removes a directory of ours, unless something is mounted on it or in it: what is below a mount is not ours to remove.
 * @param path without symlinks, as mountinfo has it.
 * @returns false when something is mounted there: it is left as it is.
 */
export function removeTree(path: string, host: Pick<Host, 'readText'>): boolean {
  if (readMountinfo(host).some(({ mountPoint }) => isAtOrBelow(mountPoint, path))) return false;
  rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  return true;
}

async function undo(
  before: ReadonlySet<string>,
  missing: readonly string[],
  { host, layout }: NodeContext,
): Promise<void> {
  const home = realpathSync(layout.home);
  const entries = readMountinfo(host);
  const isOurs = (entry: MountEntry) =>
    (entry.mountPoint === home && isSelfBind(entry, entries)) ||
    entry.mountPoint === pinsDirectory ||
    [`${home}/versions/`, `${pinsDirectory}/`].some((directory) => entry.mountPoint.startsWith(directory));
  const made = entries.filter((entry) => isOurs(entry) && !before.has(entry.mountPoint));
  await applyActions(detachAll(made));
  await undoSelfBinds(host, [...before]);
  for (const directory of missing) removeTree(directory, host);
}
