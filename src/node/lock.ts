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

/** Makes the directories that are root's alone. Where others could reach the locks they may hold some: new ones, then. */
export function makeRunDirectory(): void {
  makePrivateDirectory(runDirectory);
  if (makePrivateDirectory(locksDirectory) !== 'open') return;
  for (const name of readdirSync(locksDirectory))
    rmSync(`${locksDirectory}/${name}`, { recursive: true, force: true });
}

/**
 * Earlier versions of the mounter had their locks where anybody could hold them. Nobody waits for one that is at work:
 * both look at each thing before they do it, and begin again where it failed.
 */
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

/** Nobody waits for a network while holding it; but for the node's lock, the trial of a version, and a slow disk. */
const longestTrialSeconds = 300;

/**
 * Runs what adds or removes versions: one at a time. The node's lock is taken inside it, for the switch alone: `prepare`
 * need not wait for the trial of a version.
 * @throws MounterError (system) when another is at work for too long.
 */
export function withVersionsLock<T>(action: () => Promise<T>): Promise<T> {
  return withLock('versions', longestTrialSeconds, action);
}
