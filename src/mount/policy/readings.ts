import type { Filesystem } from '../../manifest/manifest.ts';
import { type MountOption, parseOptions } from '../arguments/options.ts';
import { type NfsAnswer, nfsAnswers, nfsConsequences } from '../filesystems/nfs/options.ts';

type Kind = Filesystem['kind'];

/** An option with all that a reader could take it for. Its name is lower-case, without quotes, blanks and backslashes. */
export interface OptionReading extends MountOption {
  /** Its name is written as every reader knows it: `RO` is ignored by a kernel that was told `sloppy`. */
  readonly isExactName: boolean;
  /** So is its value, where it has one: no quote in it. */
  readonly isExact: boolean;
  /** What it says in the words that a policy may use, its own first. */
  readonly says: readonly NfsAnswer[];
  /** What may come of it: enough to refuse it, not to allow it. */
  readonly mayMean: readonly NfsAnswer[];
}

/**
 * The options of a string in every reading that one of those has who read it after us, so that nothing hides
 * in one reading from a rule that knows another. mount.nfs keeps a quoted value together; the kernel's own
 * NFS parser, which gets the same string, splits at every comma, and mount.glusterfs at blanks too.
 * @throws MounterError (usage) for a quote that is not closed.
 */
export function optionReadings(kind: Kind, options: string): readonly OptionReading[] {
  return parseOptions(options).flatMap(({ text }) => {
    const pieces = text.split(kind === 'glusterfs' ? /[,\s]+/ : ',');
    const texts = pieces.length === 1 ? [text] : [text, ...pieces];
    return texts.map((one) => readOption(kind, one)).filter(({ name }) => name !== '');
  });
}

/** The same of whole options alone, as mount(8) and mount.nfs tell them apart. */
export function wholeOptions(kind: Kind, options: string): readonly OptionReading[] {
  return parseOptions(options).map(({ text }) => readOption(kind, text));
}

function readOption(kind: Kind, text: string): OptionReading {
  const equals = text.indexOf('=');
  const written = equals < 0 ? text : text.slice(0, equals);
  const name = written.replace(/["'\\\s]/g, '').toLowerCase();
  const value = equals < 0 ? undefined : text.slice(equals + 1).replaceAll('"', '');
  // Who reads the options of an unknown kind, and whether in any case, is not known either.
  const isExactName = kind === 'generic' || written === name;
  const isExact = isExactName && (kind === 'generic' || equals < 0 || value === text.slice(equals + 1));
  const answer = { name, value };
  const [says, mayMean] =
    kind === 'nfs' ? [nfsAnswers(loose(answer)), nfsConsequences(loose(answer))] : [[], []];
  return { name, value, text, isExactName, isExact, says: [answer, ...says], mayMean };
}

/** Values that mount.nfs and the kernel compare have no upper case. */
function loose({ name, value }: NfsAnswer): NfsAnswer {
  return { name, value: value?.toLowerCase() };
}

/** Categories of an SELinux level, `c1`, `c0.c1023`, or the end of a range: the one good reason for a comma in quotes. */
const category = /^c\d+(\.c\d+)?(-s\d+(:c\d+(\.c\d+)?)?)?"*$/;

/**
 * A comma that separates options for one reader and not for another: in quotes, where mount.nfs does not split
 * and the kernel does, or behind a backslash, where libmount does not and mount.nfs does.
 */
export function hidesOptions(kind: Kind, options: string): boolean {
  if (kind === 'generic') return false;
  if (/\\[,"]/.test(options)) return true;
  return parseOptions(options).some(({ text }) =>
    text
      .split(',')
      .slice(1)
      .some((piece) => !category.test(piece)),
  );
}
