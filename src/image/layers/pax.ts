import { TarError, type Timestamp } from './tar-header.ts';

/** PAX's extended headers (POSIX.1-2001, "pax Interchange Format"): what a ustar header has no room for. */

export type PaxRecord = readonly [key: string, value: string];

/**
 * The records `LENGTH KEY=VALUE\n` in their order; values are byte strings and may hold any byte.
 * @throws TarError when a length leads astray.
 */
export function parsePax(bytes: Buffer): readonly PaxRecord[] {
  const records: PaxRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space === -1 ? '' : bytes.toString('latin1', at, space);
    const end = at + Number(digits);
    // NULs fill the block after the last record of some writers.
    if (digits === '' && bytes.subarray(at).every((byte) => byte === 0)) break;
    if (!/^[1-9][0-9]{0,8}$/.test(digits) || end > bytes.length || end <= space + 2)
      throw new TarError('a PAX header is damaged');
    const equals = bytes.indexOf(0x3d, space);
    if (bytes[end - 1] !== 0x0a || equals === -1 || equals >= end)
      throw new TarError('a PAX header is damaged');
    records.push([
      bytes.toString('latin1', space + 1, equals),
      bytes.toString('latin1', equals + 1, end - 1),
    ]);
    at = end;
  }
  return records;
}

/** A decimal number without sign. @throws TarError */
export function paxNumber(value: string): number {
  const number = Number(value);
  if (!/^[0-9]+$/.test(value) || !Number.isSafeInteger(number))
    throw new TarError('a PAX header has an invalid number');
  return number;
}

/** `-1.5` is half a second past -2. Digits beyond nanoseconds are dropped. @throws TarError */
export function paxTime(value: string): Timestamp {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(value);
  if (match === null) throw new TarError('a PAX header has an invalid time');
  const [, sign, digits, fraction = ''] = match;
  const seconds = Number(digits);
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (sign === '') return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: -seconds, nanoseconds }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}
