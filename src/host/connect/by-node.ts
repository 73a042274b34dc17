import { connect } from 'node:net';
import type { ConnectLimits } from '../host.ts';
import type { Ended } from './ended.ts';

/** By node:net. */
export function attempt(address: string, port: number, { timeoutMs, signal }: ConnectLimits): Promise<Ended> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (ended: Ended) => {
      clearTimeout(limit);
      signal?.removeEventListener('abort', abort);
      socket.destroy();
      resolve(ended);
    };
    const abort = () => end('aborted');
    const limit = setTimeout(() => end('timeout'), timeoutMs);
    signal?.addEventListener('abort', abort, { once: true });
    socket.once('connect', () => end('connected'));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
