import { unpackedPackage } from '../../../scripts/debian.ts';

/** Of Debian's prometheus, which, installed, would run as a service. @returns its path. */
export async function ensurePromtool(): Promise<string> {
  return `${await unpackedPackage('prometheus')}/usr/bin/promtool`;
}
