import { connectionOf } from './connect/ended.ts';
import type { Connection, ConnectLimits } from './host.ts';

/**
 * One attempt to open a TCP connection; the kernel sends its SYN again after 1 s, 3 s, 7 s.
 *
 * Compiled, it is libc's own connect(2): bun 1.4 calls a host without a route a refused connection.
 */
export async function connect(address: string, port: number, limits: ConnectLimits): Promise<Connection> {
  if (limits.signal?.aborted) return 'unknown';
  try {
    const { attempt } =
      'Bun' in globalThis ? await import('./connect/by-libc.ts') : await import('./connect/by-node.ts');
    return connectionOf(await attempt(address, port, limits));
  } catch {
    return 'unknown'; // No descriptor left, no libc of that name: nothing that the server did.
  }
}
