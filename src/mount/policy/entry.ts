import type { Filesystem } from '../../manifest/manifest.ts';
import { flavors, type NfsAnswer, nfsAnswers } from '../filesystems/nfs/options.ts';
import type { OptionReading } from './readings.ts';

type Kind = Filesystem['kind'];

/** An entry of a list of the manifest, in the words of `OptionReading.says`: `tcp` is `proto=tcp`. */
export interface Wanted {
  readonly kind: Kind;
  /** Of `PREFIX*`; name and value have no meaning then. */
  readonly prefix: string | undefined;
  readonly name: string;
  /** Undefined: whatever the value. */
  readonly value: string | undefined;
}

export function readEntry(kind: Kind, entry: string): Wanted {
  const equals = entry.indexOf('=');
  const name = (equals < 0 ? entry : entry.slice(0, equals)).toLowerCase();
  if (entry.endsWith('*')) return { kind, prefix: name.slice(0, -1), name, value: undefined };
  const written = { name, value: equals < 0 ? undefined : entry.slice(equals + 1) };
  const answer = kind === 'nfs' ? nfsAnswers(written)[0] : undefined;
  return { kind, prefix: undefined, ...(answer ?? written) };
}

/** Whether `option` could be what the entry names, for any reader: a reason to refuse it. */
export function mayBe(wanted: Wanted, { name, says, mayMean }: OptionReading): boolean {
  if (wanted.prefix !== undefined) return name.startsWith(wanted.prefix);
  const isMeant = (answer: NfsAnswer) => maySay(wanted, answer);
  return says.some(isMeant) || mayMean.some(isMeant);
}

/** Whether `option` is what the entry names, for every reader: a reason to let it pass. */
export function isSurely(wanted: Wanted, { name, isExactName, isExact, says }: OptionReading): boolean {
  if (!isExactName) return false;
  if (wanted.prefix !== undefined) return name.startsWith(wanted.prefix);
  if (wanted.value !== undefined && !isExact) return false;
  return says.some((answer) => surelySays(wanted, answer));
}

function maySay(wanted: Wanted, { name, value }: NfsAnswer): boolean {
  if (name !== wanted.name) return false;
  if (wanted.value === undefined) return true;
  if (value === undefined) return false;
  if (name === 'vers') return isSameVersion(value, wanted.value);
  if (isFlavorList(wanted)) {
    const named = flavors(wanted.value.toLowerCase());
    return flavors(value.toLowerCase()).some((flavor) => named.includes(flavor));
  }
  return value.toLowerCase() === wanted.value.toLowerCase() || mayBeNumber(value, wanted.value);
}

function surelySays(wanted: Wanted, answer: NfsAnswer): boolean {
  const { name, value } = answer;
  // How its reader compares values is not known.
  if (wanted.kind === 'generic') return maySay(wanted, answer);
  if (name !== wanted.name) return false;
  if (wanted.value === undefined) return true;
  if (value === undefined) return false;
  if (name === 'vers') return isSameVersion(value, wanted.value);
  if (isFlavorList(wanted)) {
    const named = flavors(wanted.value);
    const asked = flavors(value);
    return asked.length > 0 && asked.every((flavor) => named.includes(flavor));
  }
  return value === wanted.value;
}

function isFlavorList({ kind, name }: Wanted): boolean {
  return kind === 'nfs' && name === 'sec';
}

/** `3` is `03`; a major version alone, in the entry, is all of its minor ones. */
export function isSameVersion(value: string, wanted: string): boolean {
  const [major, minor] = value.split('.').map((part) => Number.parseInt(part, 10));
  const [wantedMajor, wantedMinor] = wanted.split('.').map((part) => Number.parseInt(part, 10));
  if (major !== wantedMajor || Number.isNaN(wantedMajor)) return false;
  return wantedMinor === undefined || wantedMinor === minor;
}

/**
 * mount.nfs reads the digits that a number begins with (strtol(3), base 10); the kernel takes 0x10 and 020 for 16
 * too (kstrtouint, base 0).
 */
function mayBeNumber(value: string, wanted: string): boolean {
  if (!/^\d+$/.test(wanted)) return false;
  const text = value.trim().replace(/^\+/, '');
  const byKernel = /^0[0-7]+$/.test(text)
    ? Number.parseInt(text, 8)
    : Number(text === '' ? Number.NaN : text);
  return Number.parseInt(text, 10) === Number(wanted) || byKernel === Number(wanted);
}

/** Names that decide the same question, of which the last one given wins. */
const alternatives: readonly (readonly string[])[] = [
  ['ro', 'rw'],
  ['hard', 'soft', 'softerr'],
  ['fg', 'bg'],
  ['sync', 'async'],
  ['lock', 'nolock', 'local_lock'],
];

/**
 * Whether the entry is among `options`, and nothing after it, in whatever spelling, takes it back. A security
 * flavour is taken back by any other before it, too: all that are named may be used.
 */
export function isInForce(wanted: Wanted, options: readonly OptionReading[]): boolean {
  if (wanted.prefix !== undefined) return options.some((option) => isSurely(wanted, option));
  const { name } = wanted;
  const opposite = name.startsWith('no') ? name.slice(2) : `no${name}`;
  const names = alternatives.find((group) => group.includes(name)) ?? [name, opposite];
  const rivals = options.filter(({ says }) => says.some((answer) => names.includes(answer.name)));
  const deciding = isFlavorList(wanted) ? rivals : rivals.slice(-1);
  return deciding.length > 0 && deciding.every((option) => isSurely(wanted, option));
}
