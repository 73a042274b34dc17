import { withLock } from '../../node/lock.ts';

/**
 * Nobody waits for a network while holding it; but for the node's lock, for the trial of a version's programs, and
 * for a slow disk to let go of a tree.
 */
const waitSeconds = 300;

/**
 * Runs what adds or removes versions: one at a time. It is not the lock of `withNodeLock`, which is taken
 * inside it and only for the switch: a mount's `prepare` need not wait for the trial of a version.
 * @throws MounterError (system) when another is at work for too long.
 */
export function withVersionsLock<T>(action: () => Promise<T>): Promise<T> {
  return withLock('versions', waitSeconds, action);
}
