import { withFileLock } from '../../host/file-lock.ts';
import { runDirectory } from '../../rootfs/layout.ts';

/** An image may come over a slow line: longer than any of the others waits for. */
const waitSeconds = 600;

/**
 * Runs what adds or removes versions: one at a time. It is not the lock of `withNodeLock`, which is taken
 * inside it and only for the switch: a mount's `prepare` need not wait for a download.
 * @throws MounterError (system) when another is at work for too long.
 */
export function withVersionsLock<T>(action: () => Promise<T>): Promise<T> {
  return withFileLock(`${runDirectory}/versions.lock`, waitSeconds, action);
}
