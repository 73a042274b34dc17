import { completeTree, type Entry } from './entry.ts';
import { takeLibraries } from './libraries.ts';
import type { OneRootfs } from './pins.ts';
import { skeleton } from './skeleton.ts';
import { UnpackedTree } from './unpacked.ts';

/**
 * The entries of the rootfs out of the packages unpacked at `root`: the files of the manifest, their
 * libraries, the licences of `packages`, and what no package ships.
 * @throws MounterError that names what is in none of the packages.
 */
export async function selectEntries(
  root: string,
  rootfs: OneRootfs,
  packages: readonly string[],
): Promise<readonly Entry[]> {
  const tree = new UnpackedTree(root);
  await tree.exclude(rootfs.exclude);
  for (const path of rootfs.files) await tree.take(path, 'rootfs.files');
  await takeLibraries(tree, rootfs.architecture);
  for (const name of packages) await tree.take(`usr/share/doc/${name}/copyright`, 'the licence');
  return completeTree([...skeleton, ...tree.taken.values()]);
}
