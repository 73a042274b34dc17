import { withFileLock } from '../host/file-lock.ts';
import { locksDirectory } from './layout.ts';
import { makeRunDirectory } from './run-directory.ts';

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
