import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { nearest } from '../../nearest.ts';

/** One option of a grammar, with all its spellings, e.g. `['-t', '--types']`. */
export interface OptionRule {
  readonly names: readonly string[];
  readonly value: 'none' | 'required' | 'optional';
}

/** An option as it was found: `name` is the full spelling, `value` is undefined where none was given. */
export interface FoundOption<Rule extends OptionRule> {
  readonly rule: Rule;
  readonly name: string;
  readonly value: string | undefined;
}

export interface Reading<Rule extends OptionRule> {
  readonly options: readonly FoundOption<Rule>[];
  readonly positionals: readonly string[];
}

/** The words not read yet: whoever needs a separate value takes the next one from here. */
type Words = ArrayIterator<string>;

const seeHelp = 'see mounter mount --help';

/**
 * Reads argv as getopt_long(3) with permutation does, and mount(8): clusters (`-fv`), attached and separate values,
 * unambiguous abbreviations of long names, operands between options, and `--`.
 * @returns options and operands, each in the order given, values byte for byte.
 * @throws MounterError usage: an unknown or ambiguous option, a missing value or one too many.
 */
export function getopt<Rule extends OptionRule>(
  argv: readonly string[],
  rules: readonly Rule[],
): Reading<Rule> {
  const options: FoundOption<Rule>[] = [];
  const positionals: string[] = [];
  const words = argv.values();
  for (const word of words) {
    if (word === '--') for (const operand of words) positionals.push(operand);
    else if (word.startsWith('--')) options.push(readLong(word, words, rules));
    else if (word.startsWith('-') && word !== '-') readCluster(word, words, rules, options);
    else positionals.push(word);
  }
  return { options, positionals };
}

function readLong<Rule extends OptionRule>(
  word: string,
  words: Words,
  rules: readonly Rule[],
): FoundOption<Rule> {
  const equals = word.indexOf('=');
  const { name, rule } = findLong(equals < 0 ? word : word.slice(0, equals), rules);
  const attached = equals < 0 ? undefined : word.slice(equals + 1);
  if (rule.value === 'none' && attached !== undefined)
    throw usageError(name, 'the option takes no value', `write ${name} alone`);
  if (rule.value !== 'required' || attached !== undefined) return { rule, name, value: attached };
  return { rule, name, value: separateValue(name, words) };
}

/** The option that `written` names in full or abbreviates. A full name wins over a longer one that begins with it. */
function findLong<Rule extends OptionRule>(
  written: string,
  rules: readonly Rule[],
): { readonly name: string; readonly rule: Rule } {
  const exact = ruleOf(written, rules);
  if (exact !== undefined) return { name: written, rule: exact };
  const matches = rules.flatMap((rule) =>
    rule.names.filter((name) => name.startsWith(written)).map((name) => ({ name, rule })),
  );
  const [first] = matches;
  if (first === undefined) throw unknownOption(written, written, rules);
  if (matches.length === 1) return first;
  const names = matches.map(({ name }) => name).join(', ');
  throw usageError(written, 'the abbreviation is ambiguous', `write one of ${names}`);
}

/** A search, because the few that a call has are found before a table of all would be made. */
function ruleOf<Rule extends OptionRule>(name: string, rules: readonly Rule[]): Rule | undefined {
  return rules.find(({ names }) => names.includes(name));
}

/** Adds the options of one word such as `-fv` or `-oro`: the first one that takes a value takes the rest of it. */
function readCluster<Rule extends OptionRule>(
  word: string,
  words: Words,
  rules: readonly Rule[],
  options: FoundOption<Rule>[],
): void {
  for (let at = 1; at < word.length; at += 1) {
    const name = `-${String.fromCodePoint(word.codePointAt(at) ?? 0)}`;
    const rule = ruleOf(name, rules);
    if (rule === undefined) throw unknownOption(name, word, rules);
    if (rule.value !== 'none') {
      options.push({ rule, name, value: clusterValue(name, rule, word.slice(at + 1), words) });
      return;
    }
    options.push({ rule, name, value: undefined });
  }
}

function clusterValue(name: string, rule: OptionRule, attached: string, words: Words): string | undefined {
  if (attached !== '') return attached;
  return rule.value === 'required' ? separateValue(name, words) : undefined;
}

/** The next word, whatever it looks like: getopt_long(3) takes `-t` in `-o -t` for the value, and `--` too. */
function separateValue(name: string, words: Words): string {
  const next = words.next();
  if (next.done) throw usageError(name, 'needs a value', `write it after ${name}; ${seeHelp}`);
  return next.value;
}

/** `word` is the whole word `name` was found in: `-read-only` has no option `-e`, but was meant as one word. */
function unknownOption(name: string, word: string, rules: readonly OptionRule[]): MounterError {
  const longNames = rules.flatMap(({ names }) => names).filter((known) => known.startsWith('--'));
  const meant = nearest(
    word.replace(/^-+/, ''),
    longNames.map((known) => known.slice(2)),
  );
  return usageError(
    name,
    'unknown option',
    meant === undefined ? seeHelp : `did you mean --${meant}? S${seeHelp.slice(1)}`,
  );
}

/**
 * The error for a call that can't be understood. Neither text may repeat the value of an option or an operand: what we
 * print becomes a Pod's event, and `-o user=x, password=y` makes `password=y` an operand.
 */
export function usageError(subject: string | undefined, message: string, hint: string): MounterError {
  return new MounterError(message, { status: exitCode.usage, subject, hint });
}
