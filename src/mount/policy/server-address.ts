import type { MounterError } from '../../errors.ts';
import { isInRange, parseIpAddress, parseIpRange } from '../../ip-address.ts';
import { shellWord } from '../../shell-word.ts';
import { usageError } from '../arguments/getopt.ts';

/** Addresses that no server has, with what they are instead. */
const nobodys = [
  ['0.0.0.0/8', 'stands for no host'],
  ['::/128', 'stands for no host'],
  ['224.0.0.0/4', 'is a multicast address'],
  ['ff00::/8', 'is a multicast address'],
  ['240.0.0.0/4', 'is reserved or a broadcast address'],
] as const;
const ranges = nobodys.flatMap(([text, what]) => {
  const range = parseIpRange(text);
  return range === undefined ? [] : [{ range, what }];
});

/** Numbers alone: never a name of the DNS, and for inet_aton(3) an address that nobody means (`1.2.3` is 1.2.0.3). */
const isNumeric = /^(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+))*\.?$/i;

/**
 * Refuses an address that is none before anything is run: a helper would look for it for minutes. Pure.
 * @throws MounterError (usage) that says how to write it.
 */
export function checkServerAddresses(source: string, servers: readonly string[] | undefined): void {
  if (/^\[[^\]]*$/.test(source)) {
    const [, address, path] = /^(\[[^/]*?):?(\/.*)$/.exec(source) ?? [];
    const meant = address === undefined ? '[ADDRESS]:/PATH' : shellWord(`${address}]:${path}`);
    throw usageError(source, 'lacks the bracket that ends the address', `write ${meant}`);
  }
  for (const server of servers ?? [])
    if (server.includes(':') || isNumeric.test(server)) checkAddress(source, server);
}

function checkAddress(source: string, server: string): void {
  const address = parseIpAddress(server);
  if (address === undefined)
    throw noServer(
      source,
      server.includes(':')
        ? `${server} is no IPv6 address`
        : `${server} is no IPv4 address: those are four numbers up to 255, without leading zeros`,
    );
  const found = ranges.find(({ range }) => isInRange(address, range));
  if (found !== undefined) throw noServer(source, `${server} ${found.what}`);
  if (address.groups.length === 8 && ((address.groups[0] ?? 0) & 0xffc0) === 0xfe80 && address.zone === '')
    throw usageError(
      source,
      `${server} is a link-local address, which says nothing without its interface`,
      `name the interface of this node that leads there, as ${server}%eth0, or another address of the server`,
    );
}

function noServer(source: string, message: string): MounterError {
  return usageError(
    source,
    message,
    "write the server's name, or its address, such as 10.0.0.5 or [fd00::5]",
  );
}
