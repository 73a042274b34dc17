import * as system from 'system-calls';
import type { Descriptor, Liveness } from '../host/mount-host.ts';
import { withTimeout } from '../host/with-timeout.ts';
import { kill } from './kill.ts';
import { endOf, holdInterruptions } from './signals.ts';
import { checked } from './system-error.ts';

/**
 * `MountHost.isAlive`: a child asks, for a question to a dead server may never come back. Nothing that it answers
 * but ENOTCONN and ESTALE says that the mount is of no use: a server may hide the directory from root.
 */
export async function isAlive(file: Descriptor, limitMs: number): Promise<Liveness> {
  holdInterruptions();
  const pid = checked('fork', undefined, system.ask(file));
  const errno = await withTimeout(endOf(pid), limitMs);
  if (errno === undefined) {
    kill(pid, 'SIGKILL');
    return 'silent';
  }
  return states[system.errorNames(errno)[0]] ?? 'alive';
}

const states: Readonly<Record<string, Liveness>> = {
  ENOTCONN: 'dead',
  ECONNABORTED: 'dead',
  ESTALE: 'stale',
};
