import type { OptionAnswer, OptionGrammar, ValueMatch } from '../filesystems/filesystem-driver.ts';
import type { OptionReading } from '../filesystems/option-readings.ts';

/** An entry of a list of the manifest, in the words of `OptionReading.says`: `tcp` is `proto=tcp`. */
export interface Wanted {
  readonly grammar: OptionGrammar;
  /** Of `PREFIX*`; name and value have no meaning then. */
  readonly prefix: string | undefined;
  readonly name: string;
  /** Undefined: whatever the value. */
  readonly value: string | undefined;
}

/** Of each grammar: the defaults are the same for every mount. */
const entriesRead = new WeakMap<OptionGrammar, Map<string, Wanted>>();

export function readEntry(grammar: OptionGrammar, entry: string): Wanted {
  const known = entriesRead.get(grammar)?.get(entry);
  if (known !== undefined) return known;
  const wanted = read(grammar, entry);
  entriesRead.set(grammar, (entriesRead.get(grammar) ?? new Map<string, Wanted>()).set(entry, wanted));
  return wanted;
}

function read(grammar: OptionGrammar, entry: string): Wanted {
  const equals = entry.indexOf('=');
  const name = (equals < 0 ? entry : entry.slice(0, equals)).toLowerCase();
  if (entry.endsWith('*')) return { grammar, prefix: name.slice(0, -1), name, value: undefined };
  const written = { name, value: equals < 0 ? undefined : entry.slice(equals + 1) };
  return { grammar, prefix: undefined, ...(grammar.says(written)[0] ?? written) };
}

/** Whether `option` could be what the entry names, for any reader: a reason to refuse it. */
export function mayBe(wanted: Wanted, { name, says, mayMean }: OptionReading): boolean {
  if (wanted.prefix !== undefined) return name.startsWith(wanted.prefix);
  const isMeant = (answer: OptionAnswer) => matchOf(wanted, answer) !== 'no';
  return says.some(isMeant) || mayMean.some(isMeant);
}

/** Whether `option` is what the entry names, for every reader: a reason to let it pass. */
export function isSurely(wanted: Wanted, { name, isExactName, isExact, says }: OptionReading): boolean {
  if (!isExactName) return false;
  if (wanted.prefix !== undefined) return name.startsWith(wanted.prefix);
  if (wanted.value !== undefined && !isExact) return false;
  return says.some((answer) => matchOf(wanted, answer) === 'surely');
}

function matchOf(wanted: Wanted, { name, value }: OptionAnswer): ValueMatch {
  if (name !== wanted.name) return 'no';
  if (wanted.value === undefined) return 'surely';
  return value === undefined ? 'no' : wanted.grammar.matches(name, value, wanted.value);
}

/** Whether the entry is among `options`, and nothing after it takes it back. Of those that add up, all have to be it. */
export function isInForce(wanted: Wanted, options: readonly OptionReading[]): boolean {
  if (wanted.prefix !== undefined) return options.some((option) => isSurely(wanted, option));
  const { name, grammar } = wanted;
  const opposite = name.startsWith('no') ? name.slice(2) : `no${name}`;
  const names = grammar.alternatives.find((group) => group.includes(name)) ?? [name, opposite];
  const rivals = options.filter(({ says }) => says.some((answer) => names.includes(answer.name)));
  const deciding = grammar.isCumulative(name) ? rivals : rivals.slice(-1);
  return deciding.length > 0 && deciding.every((option) => isSurely(wanted, option));
}
