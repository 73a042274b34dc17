import type { Host } from '../host/host.ts';
import { parseIpAddress } from '../ip-address.ts';

/** Who can reach a port of this node: nobody, this node alone, or other machines as well. */
export type ListeningAddresses = 'nowhere' | 'loopback' | 'any';

/** The widest of what is open. @param protocols files of /proc/net: `tcp`, `tcp6`, `udp`, `udp6`. */
export function readListeningAddresses(
  host: Host,
  port: number,
  protocols: readonly string[],
): ListeningAddresses {
  const found = listeningSockets(host, port, protocols).map(({ address }) => address);
  if (found.length === 0) return 'nowhere';
  return found.every(isLoopback) ? 'loopback' : 'any';
}

export interface ListeningSocket {
  /** As the kernel writes it: hexadecimal, each group of four bytes in the order of a little-endian machine. */
  readonly address: string;
  /** As /proc/PID/fd has it: `socket:[INODE]`. */
  readonly inode: string;
}

/** The sockets that wait on `port`. */
export function listeningSockets(
  host: Host,
  port: number,
  protocols: readonly string[],
): readonly ListeningSocket[] {
  return protocols.flatMap((name) => parseSockets(host.readText(`/proc/net/${name}`) ?? '', port));
}

/**
 * ```
 *   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
 *    0: 0100007F:006F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9301 1 …
 * ```
 * @see proc_pid_net(5); a state of 0A is TCP_LISTEN, 07 a UDP socket without a peer.
 */
function parseSockets(text: string, port: number): readonly ListeningSocket[] {
  const lines = text.matchAll(
    /^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} (?:0A|07)(?: +\S+){5} +(\d+)/gm,
  );
  return [...lines].flatMap(([, address = '', hexPort = '', inode = '']) =>
    Number.parseInt(hexPort, 16) === port ? [{ address, inode }] : [],
  );
}

/**
 * The addresses that TCP connections of a process go to, as the kernel writes them.
 *
 * ```
 *   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
 *    1: FE07090A:0339 0107090A:0801 01 00000000:00000000 00:00000000 00000000     0        0 9417 1 …
 * ```
 */
export function peersOf(host: Host, pid: number): readonly string[] {
  const inodes = inodesOf(host, pid);
  return ['tcp', 'tcp6'].flatMap((name) => {
    const lines = (host.readText(`/proc/net/${name}`) ?? '').matchAll(
      /^ *\d+: \S+ ([0-9A-F]+):\S+(?: +\S+){6} +(\d+)/gm,
    );
    return [...lines].flatMap(([, address = '', inode = '']) => (inodes.has(inode) ? [address] : []));
  });
}

/** More than our daemons open before their sockets; a stranger may have a million. */
const looked = 256;

/** Of the sockets that a process has open, as /proc/net has them. */
export function inodesOf(host: Host, pid: number): ReadonlySet<string> {
  const links = Array.from({ length: looked }, (_, fd) => linkOf(host, `/proc/${pid}/fd/${fd}`) ?? '');
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
}

/** @returns undefined where the process has ended meanwhile. */
function linkOf(host: Host, path: string): string | undefined {
  try {
    return host.readLink(path);
  } catch {
    return undefined;
  }
}

/** The address as the kernel writes it: `0107090A` of 10.9.7.1; undefined for what is none. */
export function asKernelWrites(address: string): string | undefined {
  const bytes = parseIpAddress(address)?.groups.flatMap((group) => [group >> 8, group & 0xff]);
  const words = bytes?.flatMap((_, at) => (at % 4 === 0 ? [bytes.slice(at, at + 4).reverse()] : []));
  const inHex = (byte: number) => byte.toString(16).padStart(2, '0').toUpperCase();
  return words?.flat().map(inHex).join('');
}

/** 127.0.0.0/8, ::1, and the former as an IPv6 address. */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith('7F');
  if (address === '00000000000000000000000001000000') return true;
  return address.startsWith('0000000000000000FFFF0000') && address.endsWith('7F');
}
