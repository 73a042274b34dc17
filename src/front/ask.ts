import * as system from 'system-calls';
import type { Connection, ConnectLimits, Descriptor, Liveness } from '../host/mount-host.ts';
import { withTimeout } from '../host/with-timeout.ts';
import { loop } from './globals.ts';
import { pollEvents } from './loop.ts';
import { endOf, holdInterruptions, kill } from './signals.ts';
import { checked } from './system-error.ts';

/** Questions to a server that may never answer, each with its limit. */

/** `MountHost.connect` */
export async function connect(address: string, port: number, limits: ConnectLimits): Promise<Connection> {
  if (limits.signal?.aborted) return 'unknown';
  const [plain = '', scope = ''] = address.split('%');
  const fd = system.connect(plain, scope, port);
  if (fd < 0) return connectionOf(nameOf(fd));
  const ended = await endOfAttempt(fd, limits);
  system.close(fd);
  return connectionOf(ended);
}

/** What an attempt ends with: an error's name of connect(2), or one of our own. @see tcp(7) */
type Ended = string | 'connected' | 'timeout' | 'aborted';

function endOfAttempt(fd: number, { timeoutMs, signal }: ConnectLimits): Promise<Ended> {
  return new Promise((resolve) => {
    const end = (ended: Ended) => {
      unwatch();
      loop.clearTimer(limit);
      signal?.removeEventListener('abort', abort);
      resolve(ended);
    };
    const abort = () => end('aborted');
    const limit = loop.setTimer(() => end('timeout'), timeoutMs);
    const unwatch = loop.watch(fd, pollEvents.writable, () => end(nameOf(system.socketError(fd))));
    signal?.addEventListener('abort', abort);
  });
}

function nameOf(result: number): Ended {
  return result === 0 ? 'connected' : system.errorNames(-result)[0];
}

function connectionOf(ended: Ended): Connection {
  return connections[ended] ?? 'unknown';
}

const connections: Readonly<Record<Ended, Connection>> = {
  connected: 'open',
  timeout: 'silent',
  ETIMEDOUT: 'silent',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'noRoute',
  ENETUNREACH: 'noRoute',
  EHOSTDOWN: 'noRoute',
  ENETDOWN: 'noRoute',
  // A route that is a black hole; a link-local address without its interface.
  EINVAL: 'noRoute',
  EACCES: 'forbidden',
  EPERM: 'forbidden',
  EAFNOSUPPORT: 'noFamily',
  // Or every port of this node's is taken.
  EADDRNOTAVAIL: 'noFamily',
};

/** `MountHost.isAlive`: a child asks, for it may never come back. A server may hide the directory from root: no error. */
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
