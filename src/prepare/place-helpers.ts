import type { Host } from '../host/host.ts';
import { helperNames } from '../mount/arguments/argv.ts';
import type { Layout } from '../node/layout.ts';
import { withNodeLock } from '../node/node-lock.ts';
import { offFile } from '../node/off.ts';
import { placeHelperLinks, removeHelperLinks } from './helper-links.ts';

/**
 * Places mount(8)'s helpers. Not where the mounter is off: its helpers make mount(8) worse than it is without them. Takes the node's lock, which turning the
 * mounter off does not wait for.
 * @param directory instead of the first of mount(8)'s directories that can be written to.
 * @returns what was done, a line each, and how many were placed; undefined where the mounter is off.
 * @throws as `placeHelperLinks`
 */
export async function placeHelpers(
  layout: Layout,
  directory: string | undefined,
  host: Host,
): Promise<{ readonly lines: readonly string[]; readonly placed: number } | undefined> {
  const isOff = () => offFile(host, layout) !== undefined;
  return await withNodeLock(async () => {
    const placing = isOff() ? undefined : placeHelperLinks(helperNames, layout, directory);
    if (!isOff()) return placing;
    removeHelperLinks(helperNames, layout, directory);
    return undefined;
  });
}
