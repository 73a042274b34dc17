import { readdirSync, rmSync } from 'node:fs';
import { withFileLock } from '../host/file-lock.ts';
import { makePrivateDirectory } from '../host/private-directory.ts';
import { locksDirectory, runDirectory } from './layout.ts';

/**
 * Runs `action` while holding a lock of this node's: one process at a time.
 * @throws MounterError (system) when another holds it for longer than `waitSeconds`.
 */
export function withLock<T>(
  name: 'node' | 'versions' | 'record',
  waitSeconds: number,
  action: () => Promise<T>,
): Promise<T> {
  makeRunDirectory();
  return withFileLock(`${locksDirectory}/${name}`, waitSeconds, action);
}

/**
 * Makes the directories that are root's alone. Where others could reach the locks, they may hold some: the files are
 * removed, and new ones take their place.
 *
 * Earlier versions of the mounter had their locks elsewhere, where anybody could hold them, so nobody waits for those
 * any more. Nor is such a version waited for that is at work at this moment: both look at each thing before they do
 * it, and begin again where it failed.
 */
export function makeRunDirectory(): void {
  makePrivateDirectory(runDirectory);
  if (makePrivateDirectory(locksDirectory) !== 'open') return;
  for (const name of readdirSync(locksDirectory))
    rmSync(`${locksDirectory}/${name}`, { recursive: true, force: true });
}

/** Removes the locks of earlier versions of the mounter. */
export function removeOldLocks(): void {
  for (const path of [`${runDirectory}/node.lock`, `${runDirectory}/versions.lock`, '/run/start-statd.lock'])
    rmSync(path, { force: true });
}

/** Longer than install, prepare and teardown take. */
const longestWorkSeconds = 60;

/**
 * Runs what changes the node: one at a time.
 * @throws MounterError (system) when another is at work for too long.
 */
export function withNodeLock<T>(action: () => Promise<T>): Promise<T> {
  return withLock('node', longestWorkSeconds, action);
}

/**
 * Nobody waits for a network while holding it; but for the node's lock, for the trial of a version's programs, and
 * for a slow disk to let go of a tree.
 */
const longestTrialSeconds = 300;

/**
 * Runs what adds or removes versions: one at a time. It is not the lock of `withNodeLock`, which is taken
 * inside it and only for the switch: a mount's `prepare` need not wait for the trial of a version.
 * @throws MounterError (system) when another is at work for too long.
 */
export function withVersionsLock<T>(action: () => Promise<T>): Promise<T> {
  return withLock('versions', longestTrialSeconds, action);
}
