import { MounterError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { helperNames } from '../mount/arguments/argv.ts';
import { allTraits } from '../mount/filesystems/all.ts';
import type { Layout } from '../node/layout.ts';
import { withNodeLock } from '../node/lock.ts';
import { readManifestIfThere } from '../node/node.ts';
import { offFile } from '../node/off.ts';
import { directoriesWith, placeHelperLinks, removeHelperLinks } from './helper-links.ts';

/**
 * Places mount(8)'s helpers of the types that this node mounts, and takes away those of ours for other types. Not where
 * the mounter is off: its helpers make mount(8) worse than it is without them. Takes the node's lock, which turning the
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
  const types = await offeredTypes(layout, host);
  const isOffered = (name: string) => types?.includes(typeOf(name)) ?? isUsual(name);
  const offered = helperNames.filter(isOffered);
  const others = helperNames.filter((name) => !isOffered(name));
  const place = () => {
    const { lines, placed } = placeHelperLinks(offered, layout, directory);
    const removed = removeHelperLinks(others, layout, directoriesWith(directory));
    const left = others
      .filter(isUsual)
      .map((name) => `left out ${name}: the settings of this node take that type away`);
    return { placed, lines: [...lines, ...removed, ...left] };
  };
  return await withNodeLock(async () => {
    const placing = isOff() ? undefined : place();
    if (!isOff()) return placing;
    removeHelperLinks(helperNames, layout, directoriesWith(directory));
    return undefined;
  });
}

function typeOf(helperName: string): string {
  return helperName.slice('mount.'.length);
}

/** Of a type that is on as it ships: nobody asks why the others are missing. */
function isUsual(helperName: string): boolean {
  return !allTraits.some((traits) => traits.isExtra && traits.kernelTypes.includes(typeOf(helperName)));
}

/** Undefined where no manifest says it: a helper then says itself what is wrong. */
async function offeredTypes(layout: Layout, host: Host): Promise<readonly string[] | undefined> {
  try {
    const manifest = await readManifestIfThere(host, layout);
    return manifest && Object.keys(manifest.filesystems);
  } catch (error) {
    if (error instanceof MounterError) return undefined;
    throw error;
  }
}
