import { chmodSync, constants, copyFileSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Layout } from '../../rootfs/layout.ts';

/**
 * This program's own file, whatever leads to it: its path may be one of another mount namespace's, or have
 * gone to a newer one since.
 */
const ownFile = '/proc/self/exe';

/**
 * kubelet's mounter path is MOUNTER_HOME/mounter. A running one keeps its old file: the new one comes by
 * rename.
 * @returns whether it was placed; not where it is this very file, or when this is no compiled executable.
 */
export function placeExecutable(executable: string, layout: Layout): boolean {
  if (basename(executable) !== 'mounter' || isSameContent(ownFile, layout.executable)) return false;
  const unfinished = `${layout.executable}.new`;
  rmSync(unfinished, { force: true });
  try {
    copyFileSync(ownFile, unfinished, constants.COPYFILE_FICLONE);
    chmodSync(unfinished, 0o755);
    renameSync(unfinished, layout.executable);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
  return true;
}

function isSameContent(a: string, b: string): boolean {
  const [first, second] = [statSync(a), statSync(b, { throwIfNoEntry: false })];
  if (second === undefined || first.size !== second.size) return false;
  if (first.dev === second.dev && first.ino === second.ino) return true;
  return readFileSync(a).equals(readFileSync(b));
}
