import { chmodSync, chownSync, lstatSync, mkdirSync, renameSync } from 'node:fs';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { isErrnoException } from '../../host/system-error.ts';
import type { Manifest } from '../../manifest/manifest.ts';
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
  const entries = readTreeRecord(from) ?? [];
  const differences = await differencesFrom(entries, root, manifest);
  for (const [number, { entry }] of differences.entries())
    putInPlace(entry, { root, from, aside: `${aside}/${number}` });
  renameSync(from + treeRecordFile, root + treeRecordFile);
  return differences.map(({ entry: { path } }) => path || '/');
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
      hint: 'drain the node, run mounter teardown, then this install again',
      cause: error,
    });
  }
}
