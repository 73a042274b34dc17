import { linkSync, lstatSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { isErrnoException } from '../host/system-error.ts';

/** What no two files at `path` share, nor one file before and after it was touched; undefined where there is none. */
export function offFileState(path: string): string | undefined {
  const status = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return status === undefined ? undefined : `${status.ino} ${status.mtimeNs}`;
}

/**
 * Removes the file, or the empty directory, that turns the mounter off, unless it is another one than `state` tells.
 * It is moved aside first: a `disable` that comes between the look and the removal would be lost otherwise.
 * @throws MounterError (system) for a directory that is not empty; like node:fs where nothing can be written.
 */
export function removeOffFile(path: string, state: string): void {
  if (offFileState(path) !== state) return;
  const aside = `${path}.removed`;
  if (offFileState(aside) !== undefined) remove(aside); // Left by a run that was killed.
  try {
    renameSync(path, aside);
    if (offFileState(aside) === state) remove(aside);
    else putBack(aside, path);
  } catch (error) {
    if (!isErrnoException(error)) throw error;
    if (error.code === 'ENOENT') return; // Another `enable` was faster.
    if (error.code !== 'ENOTEMPTY') throw error;
    putBack(aside, path);
    throw new MounterError('is a directory with something in it, and turns the mounter off', {
      subject: path,
      status: exitCode.system,
      hint: `move away what is in it, then mounter enable again`,
      cause: error,
    });
  }
}

function remove(path: string): void {
  if (lstatSync(path).isDirectory()) rmdirSync(path);
  else unlinkSync(path);
}

/** Whatever has come to `path` meanwhile is newer, and stays. */
function putBack(aside: string, path: string): void {
  if (lstatSync(aside).isDirectory()) {
    renameSync(aside, path);
    return;
  }
  try {
    linkSync(aside, path);
  } catch (error) {
    if (!isErrnoException(error) || error.code !== 'EEXIST') throw error;
  }
  unlinkSync(aside);
}
