import type { Host } from '../host/host.ts';

/** Who can reach a port of this node: nobody, this node alone, or other machines as well. */
export type ListeningAddresses = 'nowhere' | 'loopback' | 'any';

/**
 * @param protocols files of /proc/net: `tcp`, `tcp6`, `udp`, `udp6`.
 * @returns the widest of what is open by any of them.
 */
export function readListeningAddresses(
  host: Host,
  port: number,
  protocols: readonly string[],
): ListeningAddresses {
  const tables = protocols.map((name) => host.readText(`/proc/net/${name}`) ?? '');
  const found = tables.flatMap((text) => listeningAddresses(text, port));
  if (found.length === 0) return 'nowhere';
  return found.every(isLoopback) ? 'loopback' : 'any';
}

/**
 * The local addresses with a socket that waits on `port`, as the kernel writes them: hexadecimal, each group of
 * four bytes in the order of a little-endian machine.
 *
 * ```
 *   sl  local_address rem_address   st tx_queue rx_queue …
 *    0: 0100007F:006F 00000000:0000 0A 00000000:00000000 …
 * ```
 * @see proc_pid_net(5); a state of 0A is TCP_LISTEN, 07 a UDP socket without a peer.
 */
function listeningAddresses(text: string, port: number): readonly string[] {
  const lines = text.matchAll(/^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} (?:0A|07) /gm);
  return [...lines].flatMap(([, address = '', hexPort = '']) =>
    Number.parseInt(hexPort, 16) === port ? [address] : [],
  );
}

/** 127.0.0.0/8, ::1, and the former as an IPv6 address. */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith('7F');
  if (address === '00000000000000000000000001000000') return true;
  return address.startsWith('0000000000000000FFFF0000') && address.endsWith('7F');
}
