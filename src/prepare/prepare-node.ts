import { realpathSync } from 'node:fs';
import { withNodeLock } from '../node/lock.ts';
import { type BareNode, type NodeContext, readManifest, requireMountedRoot } from '../node/node.ts';
import { requireRootfs } from '../rootfs/entrance.ts';
import { prepareRootfs, rememberSettings } from './prepare.ts';
import { retireOldVersions } from './retire.ts';

/**
 * Makes the node ready for mounts, with the version in use. Takes the node's lock.
 * @returns what was done, a line each; nothing where all was in place.
 * @throws MounterError that names what cannot be made ready; calls then enter as before, where they could.
 */
export async function prepareNode({ host, layout }: BareNode): Promise<readonly string[]> {
  // Where there is nothing, no lock is made either.
  await readManifest(host, layout);
  requireRootfs(host, layout);
  requireMountedRoot(host, 'preparing the node');
  return await withNodeLock(async () => {
    // Once more: who had the lock may have switched to another version, with other settings.
    const context = { host, layout, manifest: await readManifest(host, layout) };
    const root = realpathSync(layout.rootfs);
    // First: what fails later takes nothing away that calls have entered already.
    await rememberSettings(context);
    return [...(await prepareRootfs(root, context)), ...(await retireOldVersions(root, context))];
  });
}

/**
 * For a version that was prepared and that calls enter from now on: they go by its settings, and nothing is left of
 * other versions, and of other ways to enter, that they need no more. Under the node's lock.
 * @param root `versions/<digest>`, without symlinks.
 * @returns what was done, a line each.
 */
export async function takeOver(root: string, context: NodeContext): Promise<readonly string[]> {
  await rememberSettings(context);
  return retireOldVersions(root, context);
}

/** What `mounter prepare` and `mounter enable` say of it. */
export function describePreparation(done: readonly string[]): string {
  return done.length === 0 ? 'prepared already; nothing to do\n' : `${done.join('\n')}\nprepared\n`;
}
