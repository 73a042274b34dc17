import { readdirSync, rmSync } from 'node:fs';
import { makePrivateDirectory } from '../host/private-directory.ts';
import { locksDirectory, runDirectory } from './layout.ts';

/**
 * Makes the directories that are root's alone. Locks in a directory that others could reach may be theirs: they make
 * room for new files. Versions before had their locks elsewhere, where anybody could hold them; nobody waits for those
 * any more. Such a version at work at this very moment is not waited for either: whatever both do is looked at before
 * it is done, and begun anew where it failed.
 */
export function makeRunDirectory(): void {
  makePrivateDirectory(runDirectory);
  if (makePrivateDirectory(locksDirectory) !== 'open') return;
  for (const name of readdirSync(locksDirectory))
    rmSync(`${locksDirectory}/${name}`, { recursive: true, force: true });
}

/** What versions before have left. */
export function removeOldLocks(): void {
  for (const path of [`${runDirectory}/node.lock`, `${runDirectory}/versions.lock`, '/run/start-statd.lock'])
    rmSync(path, { force: true });
}
