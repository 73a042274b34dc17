import { chmodSync, chownSync, lstatSync, mkdirSync, renameSync } from 'node:fs';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { hintOf, isErrnoException } from '../../host/system-error.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { isAtOrBelow } from '../../rootfs/root-processes.ts';
import { differencesFrom, readTreeRecord, type TreeEntry, treeRecordFile } from './tree-record.ts';

/**
 * Mends a version's tree where it lies: what is not as the image has it is taken out of a tree that was unpacked anew,
 * by a rename each. What runs from the version keeps the files that it has open, its mounts and its namespaces stay, and
 * whoever starts meanwhile finds a file of this very image, or none that was missing anyway. Killed at any moment,
 * it is less damaged than it was, and the next install goes on.
 * @param from the new tree, on the same filesystem and with its record; it is of no use afterwards.
 * @param aside an empty directory beside it, for what stands in a place of something else.
 * @returns what was mended, as the rootfs names it.
 * @throws MounterError (system) that names what cannot be mended.
 */
export async function mend(
  { root, from, aside }: { readonly root: string; readonly from: string; readonly aside: string },
  manifest: Manifest,
): Promise<readonly string[]> {
  const all = readTreeRecord(from) ?? [];
  const mended: string[] = [];
  for (let entries = all; entries.length > 0; ) {
    const differences = await differencesFrom(entries, root, manifest);
    for (const { entry } of differences) {
      putInPlace(entry, { root, from, aside: `${aside}/${mended.length}` });
      mended.push(entry.path);
    }
    // Where a link led to what is in it: the directory in its place is empty.
    const made = differences.filter(({ entry }) => entry.kind === 'directory').map(({ entry }) => entry.path);
    entries = all.filter(({ path }) =>
      made.some((directory) => path !== directory && isAtOrBelow(path, directory)),
    );
  }
  renameSync(from + treeRecordFile, root + treeRecordFile);
  return mended.map((path) => path || '/');
}

function putInPlace(
  { path, kind, mode, uid, gid }: TreeEntry,
  { root, from, aside }: { readonly root: string; readonly from: string; readonly aside: string },
): void {
  const target = root + path;
  const status = lstatSync(target, { throwIfNoEntry: false });
  try {
    if (status !== undefined && status.isDirectory() !== (kind === 'directory')) renameSync(target, aside);
    if (kind === 'directory') {
      mkdirSync(target, { recursive: true });
      chownSync(target, uid, gid);
      chmodSync(target, mode);
    } else renameSync(from + path, target);
  } catch (error) {
    if (!isErrnoException(error)) throw error;
    throw new MounterError(`cannot be mended: ${error.message}`, {
      subject: target,
      status: exitCode.system,
      hint: hintOf(error.code ?? '') ?? 'drain the node, run mounter teardown, then this install again',
      cause: error,
    });
  }
}
