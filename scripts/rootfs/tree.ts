import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
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

/**
 * `entries` with /etc/ld.so.cache, made for exactly these libraries by the ldconfig(8) of the packages
 * unpacked at `root`. `stage` is a directory that does not exist yet.
 */
export async function withLibraryCache(
  entries: readonly Entry[],
  root: string,
  stage: string,
): Promise<readonly Entry[]> {
  await writeTree(entries, stage);
  // Linked statically, and changes its root itself. Its own cache (-i) holds inode numbers and times.
  await execa(join(root, 'usr/sbin/ldconfig'), ['-r', stage, '-X', '-i']);
  const content = await readFile(join(stage, 'etc/ld.so.cache'));
  const cache: Entry = { kind: 'file', path: 'etc/ld.so.cache', mode: 0o644, uid: 0, gid: 0, content };
  return completeTree([...entries, cache]);
}

/** Owners and modes are left as they come: this tree is for ldconfig alone. */
async function writeTree(entries: readonly Entry[], stage: string): Promise<void> {
  await mkdir(stage, { recursive: true });
  for (const entry of entries) {
    const path = join(stage, entry.path);
    if (entry.kind === 'directory') await mkdir(path);
    else if (entry.kind === 'link') await symlink(entry.target, path);
    else await writeFile(path, entry.content);
  }
}
