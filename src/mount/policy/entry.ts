import type { MountOption } from '../options.ts';

/** Whether `option`, as `optionReadings` gives it, is what `entry` of a list of the manifest names. */
export function matchesEntry(entry: string, option: MountOption): boolean {
  const written = entry.toLowerCase();
  if (written.endsWith('*')) return option.name.startsWith(written.slice(0, -1));
  const equals = written.indexOf('=');
  if (equals < 0) return option.name === written;
  return option.name === written.slice(0, equals) && isSameValue(option, entry.slice(equals + 1));
}

function isSameValue({ name, value }: MountOption, wanted: string): boolean {
  if (value === undefined) return false;
  if (name === 'vers') return isSameVersion(value, wanted);
  return value.toLowerCase() === wanted.toLowerCase() || isSameNumber(value, wanted);
}

/** `3` is `03`; a major version alone, in the entry, is all of its minor ones. */
function isSameVersion(value: string, wanted: string): boolean {
  const [major, minor] = value.split('.').map((part) => Number.parseInt(part, 10));
  const [wantedMajor, wantedMinor] = wanted.split('.').map((part) => Number.parseInt(part, 10));
  if (major !== wantedMajor || Number.isNaN(wantedMajor)) return false;
  return wantedMinor === undefined || wantedMinor === minor;
}

function isSameNumber(value: string, wanted: string): boolean {
  return /^\d+$/.test(wanted) && /^\s*\+?\d+$/.test(value) && Number(value) === Number(wanted);
}

/** Names that decide the same question, of which the last one given wins. */
const alternatives: readonly (readonly string[])[] = [
  ['ro', 'rw'],
  ['hard', 'soft', 'softerr'],
  ['fg', 'bg'],
  ['sync', 'async'],
];

/** Whether `entry` is among `options`, and nothing after it takes it back. */
export function isInForce(entry: string, options: readonly MountOption[]): boolean {
  const [name = ''] = entry.toLowerCase().split('=');
  const opposite = name.startsWith('no') ? name.slice(2) : `no${name}`;
  const rivals = alternatives.find((names) => names.includes(name)) ?? [name, opposite];
  const last = options.findLast((option) => rivals.includes(option.name));
  return last !== undefined && matchesEntry(entry, last);
}
