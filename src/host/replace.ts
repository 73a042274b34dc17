import { chmodSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { isErrnoException } from './system-error.ts';

/**
 * Puts what `make` makes in the place of `path` by one rename: whoever looks finds the old one or the whole new one.
 * @param make makes it under the name that it is given, where nothing is.
 * @param unfinished that name, in the same directory. What a killed run left under it is removed.
 * @throws what `make` throws, and like node:fs; the old one is there then, and nothing of the new one.
 */
export function replace(path: string, make: (unfinished: string) => void, unfinished = `${path}.new`): void {
  remove(unfinished);
  try {
    make(unfinished);
    renameSync(unfinished, path);
  } catch (error) {
    remove(unfinished);
    // Nobody has heard of the other name; and a write to an open file names none.
    if (isErrnoException(error)) error.path = path;
    throw error;
  }
}

/** Where it cannot be removed, it cannot be made either, and that says why. */
function remove(unfinished: string): void {
  try {
    unlinkSync(unfinished);
  } catch {}
}

/**
 * Writes a file so that it has its old content or all of the new one, after a power cut too.
 * @param unfinished as for `replace`: one of the process's own, where no lock keeps two from writing at once.
 */
export function writeAtomically(
  path: string,
  content: string | Uint8Array,
  mode: number,
  unfinished?: string,
): void {
  const write = (name: string) => {
    writeFileSync(name, content, { mode, flag: 'wx', flush: true });
    chmodSync(name, mode); // Whatever the umask.
  };
  replace(path, write, unfinished);
}
