import type { NodeContext } from '../node/node.ts';
import { prepareRootfs, rememberSettings } from './prepare.ts';
import { retireOldVersions } from './retire.ts';

/**
 * Makes the version in use ready for mounts. Under the node's lock.
 * @param root `versions/<digest>`, without symlinks.
 * @returns what was done, a line each; nothing where all was in place.
 * @throws MounterError as `prepareRootfs` does; calls then enter as before, where they could.
 */
export async function prepareVersionInUse(root: string, context: NodeContext): Promise<readonly string[]> {
  // First: what fails later takes nothing away that calls have entered already.
  await rememberSettings(context);
  return [...(await prepareRootfs(root, context)), ...(await retireOldVersions(root, context))];
}

/**
 * For a version that was prepared and that calls enter from now on: they go by its settings, and nothing is left of
 * other versions, and of other ways to enter, that they need no more.
 * @returns what was done, a line each.
 */
export async function takeOver(root: string, context: NodeContext): Promise<readonly string[]> {
  await rememberSettings(context);
  return retireOldVersions(root, context);
}
