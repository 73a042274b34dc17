import { withLock } from './lock.ts';

/** Longer than install, prepare and teardown take. */
const waitSeconds = 60;

/**
 * Runs what changes the node: one at a time.
 * @throws MounterError (system) when another is at work for too long.
 */
export function withNodeLock<T>(action: () => Promise<T>): Promise<T> {
  return withLock('node', waitSeconds, action);
}
