import type { Filesystem } from '../../rootfs/manifest.ts';
import { type MountOption, parseOptions } from '../options.ts';

/**
 * The options of a string in every reading that one of those has who read it after us, so that nothing hides
 * in one reading from a rule that knows another. mount.nfs keeps a quoted value together; the kernel's own
 * NFS parser, which gets the same string, splits at every comma, and mount.glusterfs at blanks too.
 *
 * Names are lower-case, without quotes, blanks and backslashes around them.
 * @throws MounterError (usage) for a quote that is not closed.
 */
export function optionReadings(kind: Filesystem['kind'], options: string): readonly MountOption[] {
  const texts = parseOptions(options).flatMap(({ text }) => {
    const pieces = text.split(kind === 'glusterfs' ? /[,\s]+/ : ',');
    return pieces.length === 1 ? [text] : [text, ...pieces];
  });
  return readingsOf(kind, texts);
}

/** The same of whole options alone, as mount(8) and mount.nfs tell them apart. */
export function wholeOptions(kind: Filesystem['kind'], options: string): readonly MountOption[] {
  return readingsOf(
    kind,
    parseOptions(options).map(({ text }) => text),
  );
}

/** Other spellings stand where they were written: the last of all is the one that counts. */
function readingsOf(kind: Filesystem['kind'], texts: readonly string[]): readonly MountOption[] {
  const items = texts.map(plain).filter(({ name }) => name !== '');
  if (kind !== 'nfs') return items;
  const minor = items.findLast(({ name }) => name === 'minorversion');
  const read = items.flatMap((item) => [item, ...otherSpelling(item)]);
  if (minor?.value === undefined) return read;
  return [...read, { name: 'vers', value: `4.${minor.value}`, text: minor.text }];
}

/** Categories of an SELinux level, `c1` or `c0.c1023`: the one good reason for a comma in quotes. */
const category = /^c\d+(\.c\d+)?"*$/;

/** A comma in quotes that hides an option from one reader and shows it to another. */
export function hidesOptions(kind: Filesystem['kind'], options: string): boolean {
  if (kind === 'generic') return false;
  return parseOptions(options).some(({ text }) =>
    text
      .split(',')
      .slice(1)
      .some((piece) => !category.test(piece)),
  );
}

function plain(text: string): MountOption {
  const equals = text.indexOf('=');
  const name = (equals < 0 ? text : text.slice(0, equals)).replace(/["'\\\s]/g, '').toLowerCase();
  return { name, value: equals < 0 ? undefined : text.slice(equals + 1).replace(/["]/g, ''), text };
}

/** What mount.nfs takes for the same: `v4.1`, `nfsvers=4.1` and `vers=4.1`; `tcp` and `proto=tcp`. @see nfs(5) */
function otherSpelling({ name, value, text }: MountOption): readonly MountOption[] {
  if (name === 'nfsvers') return [{ name: 'vers', value, text }];
  if (/^v\d/.test(name)) return [{ name: 'vers', value: name.slice(1), text }];
  if (name === 'tcp' || name === 'udp' || name === 'rdma') return [{ name: 'proto', value: name, text }];
  return [];
}
