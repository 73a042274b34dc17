import { existsSync, readdirSync, unlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { writeAtomically } from './replace.ts';

/**
 * `writeAtomically` where several may write at once, without a lock: a timer, the node agent, a person. What killed ones
 * have left beside it is removed.
 */
export function writeAmongOthers(path: string, content: string, mode: number): void {
  const [directory, prefix] = [dirname(path), `${basename(path)}.new.`];
  writeAtomically(path, content, mode, `${directory}/${prefix}${process.pid}`);
  for (const name of readdirSync(directory)) {
    const pid = name.startsWith(prefix) ? name.slice(prefix.length) : '';
    if (/^\d+$/.test(pid) && !existsSync(`/proc/${pid}`)) removeIfFile(`${directory}/${name}`);
  }
}

/** Where others may write as well, a directory may have that name, or a file be gone already. */
function removeIfFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {}
}
