import { type MountOption, parseOptions } from '../arguments/options.ts';
import type { OptionAnswer, OptionGrammar } from './filesystem-driver.ts';

/** An option with all that a reader could take it for. Its name is lower-case, without quotes, blanks and backslashes. */
export interface OptionReading extends MountOption {
  /** Its name is written as every reader knows it: `RO` is ignored by a kernel that was told `sloppy`. */
  readonly isExactName: boolean;
  /** So is its value, where it has one: no quote in it. */
  readonly isExact: boolean;
  /** What it says in the words that a policy may use, its own first. */
  readonly says: readonly OptionAnswer[];
  /** What may come of it: enough to refuse it, not to allow it. */
  readonly mayMean: readonly OptionAnswer[];
}

/**
 * The options of a string in every reading, so that nothing hides in one from a rule that knows another. mount.nfs keeps
 * a quoted value together; the kernel's NFS parser splits at every comma, and mount.glusterfs at blanks too.
 * @throws MounterError (usage) for a quote that is not closed.
 */
export function optionReadings(grammar: OptionGrammar, options: string): readonly OptionReading[] {
  return parseOptions(options).flatMap(({ text }) => {
    const pieces = text.split(grammar.separator);
    const texts = pieces.length === 1 ? [text] : [text, ...pieces];
    return texts.map((one) => readOption(grammar, one)).filter(({ name }) => name !== '');
  });
}

/** The same of whole options alone, as mount(8) and mount.nfs tell them apart. */
export function wholeOptions(grammar: OptionGrammar, options: string): readonly OptionReading[] {
  return parseOptions(options).map(({ text }) => readOption(grammar, text));
}

function readOption(grammar: OptionGrammar, text: string): OptionReading {
  const equals = text.indexOf('=');
  const written = equals < 0 ? text : text.slice(0, equals);
  const name = written.replace(/["'\\\s]/g, '').toLowerCase();
  const value = equals < 0 ? undefined : text.slice(equals + 1).replaceAll('"', '');
  const { isReaderKnown } = grammar;
  const isExactName = !isReaderKnown || written === name;
  const isExact = isExactName && (!isReaderKnown || equals < 0 || value === text.slice(equals + 1));
  const answer = { name, value };
  const says = [answer, ...grammar.says(loose(answer))];
  return { name, value, text, isExactName, isExact, says, mayMean: grammar.mayMean(loose(answer)) };
}

/** Helpers and the kernel compare values in lower case. */
function loose({ name, value }: OptionAnswer): OptionAnswer {
  return { name, value: value?.toLowerCase() };
}

/** Categories of an SELinux level, `c1`, `c0.c1023`, or the end of a range: the one good reason for a comma in quotes. */
const category = /^c\d+(\.c\d+)?(-s\d+(:c\d+(\.c\d+)?)?)?"*$/;

/** A comma that ends an option for one reader alone: in quotes for the kernel, behind a backslash for mount.nfs. */
export function hidesOptions(grammar: OptionGrammar, options: string): boolean {
  if (!grammar.isReaderKnown) return false;
  if (/\\[,"]/.test(options)) return true;
  return parseOptions(options).some(({ text }) =>
    text
      .split(',')
      .slice(1)
      .some((piece) => !category.test(piece)),
  );
}

/** Names, and the values that their options have, quotes and all; '' for an option without one. */
export function valuesOf(
  readings: readonly OptionReading[],
  ...names: readonly string[]
): readonly (readonly [name: string, value: string])[] {
  return readings
    .filter(({ name }) => names.includes(name))
    .map(({ name, text }) => [name, text.includes('=') ? text.slice(text.indexOf('=') + 1) : '']);
}

/** The value of an option as the kernel lists it, if it does. */
export function valueIn(options: readonly string[], name: string): readonly string[] {
  return options
    .filter((option) => option.startsWith(`${name}=`))
    .map((option) => option.slice(name.length + 1));
}

export function withoutBrackets(host: string): string {
  return host.replace(/^\[([^\]]*)\]$/, '$1');
}
