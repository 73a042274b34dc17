import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** Writes a file so that it has its old content or all of the new one, whatever happens; then on disk. */
export function writeAtomically(path: string, text: string, mode: number): void {
  const unfinished = `${path}.new`;
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, text, { mode, flag: 'wx', flush: true });
  chmodSync(unfinished, mode);
  renameSync(unfinished, path);
}
