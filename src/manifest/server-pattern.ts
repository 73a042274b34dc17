import { isInRange, isOddAddress, isSameAddress, parseIpAddress, parseIpRange } from '../ip-address.ts';

/**
 * Whether `host`, as a source names it and without brackets, is `pattern` of `policy.sources`: a host name, `*.DOMAIN`
 * for every name that ends so, an address, or a range of addresses (`10.1.0.0/16`).
 */
export function isServer(pattern: string, host: string): boolean {
  const range = parseIpRange(pattern);
  const address = parseIpAddress(host);
  if (range !== undefined) return address !== undefined && isInRange(address, range);
  const wanted = parseIpAddress(pattern);
  if (wanted !== undefined) return address !== undefined && isSameAddress(address, wanted);
  if (address !== undefined || isOddAddress(host)) return false;
  const name = canonicalName(host);
  if (name === undefined) return false;
  if (!pattern.startsWith('*.')) return name === canonicalName(pattern);
  const domain = canonicalName(pattern.slice(2));
  return domain !== undefined && name.endsWith(`.${domain}`);
}

/** Whether a manifest may name it. */
export function isServerPattern(pattern: string): boolean {
  if (parseIpRange(pattern) !== undefined || parseIpAddress(pattern) !== undefined) return true;
  const name = canonicalName(pattern.startsWith('*.') ? pattern.slice(2) : pattern);
  return name !== undefined && !isOddAddress(name);
}

/** The name as DNS compares it; undefined for what no host is called: nobody asks DNS for what is outside ASCII as it is. */
function canonicalName(host: string): string | undefined {
  const labels = host.replace(/\.$/, '').split('.');
  return labels.every((label) => /^[A-Za-z0-9_-]+$/.test(label)) ? labels.join('.').toLowerCase() : undefined;
}
