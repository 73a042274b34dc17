import * as system from 'system-calls';
import type { Connection, ConnectLimits } from '../host/mount-host.ts';
import { connectionOf, type Ended } from './connection-end.ts';
import { loop } from './globals.ts';
import { pollEvents } from './loop.ts';

/** `Host.connect` */
export async function connect(address: string, port: number, limits: ConnectLimits): Promise<Connection> {
  if (limits.signal?.aborted) return 'unknown';
  const [plain = '', scope = ''] = address.split('%');
  const fd = system.connect(plain, scope, port);
  if (fd < 0) return connectionOf(nameOf(fd));
  const ended = await endOfAttempt(fd, limits);
  system.close(fd);
  return connectionOf(ended);
}

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
