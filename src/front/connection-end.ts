import type { Connection } from '../host/mount-host.ts';

/** What an attempt ends with: an error's name of connect(2), or one of our own. @see tcp(7) */
export type Ended = string | 'connected' | 'timeout' | 'aborted';

export function connectionOf(ended: Ended): Connection {
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
};
