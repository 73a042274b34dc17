/** Addresses as they are written, without asking anybody: no name is resolved here. */

/** An address as a number: IPv4 in two, IPv6 in eight groups of 16 bits. */
export interface IpAddress {
  readonly groups: readonly number[];
  /** The interface of a link-local IPv6 address, `eth0` of `fe80::1%eth0`; '' where none is named. */
  readonly zone: string;
}

/** `bits` leading bits of an address, as `10.0.0.0/8` has them. */
export interface IpRange {
  readonly address: IpAddress;
  readonly bits: number;
}

/**
 * The address that `text` is, IPv6 without brackets; `::ffff:10.0.0.1` is the IPv4 address, for there packets go.
 * @returns undefined for a name, and for what only inet_aton(3) takes for an address (`10.1`, `0x0a000001`).
 */
export function parseIpAddress(text: string): IpAddress | undefined {
  const version4 = parseVersion4(text);
  if (version4 !== undefined) return { groups: version4, zone: '' };
  const [, written = '', zone = ''] = /^([0-9a-f:.]+)(?:%([\w.-]+))?$/i.exec(text) ?? [];
  const groups = parseVersion6(written);
  if (groups === undefined) return undefined;
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  return isMapped ? { groups: groups.slice(6), zone: '' } : { groups, zone };
}

/** Whether getaddrinfo(3) reads it by inet_aton(3), which takes `010.1`, `0xa.1` and `167772161` for addresses. */
export function isOddAddress(host: string): boolean {
  const lastLabel = host.replace(/\.$/, '').split('.').at(-1) ?? '';
  return /^(0x[0-9a-f]*|\d+)$/i.test(lastLabel) && parseVersion4(host) === undefined;
}

/** @returns undefined for what is no `ADDRESS/BITS`, or has bits set behind its own. */
export function parseIpRange(text: string): IpRange | undefined {
  const [, written = '', digits = ''] = /^([^/%]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = parseIpAddress(written);
  const bits = Number(digits);
  if (digits === '' || address === undefined || bits > address.groups.length * 16) return undefined;
  // A range of mapped addresses would count its bits from another beginning.
  if (address.groups.length === 2 && written.includes(':')) return undefined;
  const isClean = address.groups.every((group, index) => (group & ~maskOf(bits, index)) === 0);
  return isClean ? { address, bits } : undefined;
}

export function isSameAddress(one: IpAddress, other: IpAddress): boolean {
  return one.zone === other.zone && isInRange(one, { address: other, bits: other.groups.length * 16 });
}

export function isInRange(address: IpAddress, range: IpRange): boolean {
  const { groups } = range.address;
  return (
    address.groups.length === groups.length &&
    groups.every((group, index) => ((address.groups[index] ?? 0) & maskOf(range.bits, index)) === group)
  );
}

/** The bits of the group at `index` that are among the first `bits` of all. */
function maskOf(bits: number, index: number): number {
  const own = Math.min(16, Math.max(0, bits - index * 16));
  return (0xffff << (16 - own)) & 0xffff;
}

function parseVersion4(text: string): readonly number[] | undefined {
  if (!/^(\d{1,3}\.){3}\d{1,3}$/.test(text)) return undefined;
  const parts = text.split('.');
  const [a = 0, b = 0, c = 0, d = 0] = parts.map(Number);
  // A leading zero makes it octal for some readers, and not for others.
  if (parts.some((part) => Number(part) > 255 || (part.length > 1 && part.startsWith('0')))) return undefined;
  return [a * 256 + b, c * 256 + d];
}

/** @see RFC 4291, 2.2 */
function parseVersion6(text: string): readonly number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [before, after] = halves.map(groupsOf);
  if (before === undefined || (halves.length === 2 && after === undefined)) return undefined;
  if (after === undefined) return before.length === 8 ? before : undefined;
  const missing = 8 - before.length - after.length;
  return missing < 1 ? undefined : [...before, ...Array<number>(missing).fill(0), ...after];
}

/** Groups between colons, of which the last may be an IPv4 address. */
function groupsOf(text: string): readonly number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    const version4 = index === parts.length - 1 ? parseVersion4(part) : undefined;
    if (version4 !== undefined) groups.push(...version4);
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}
