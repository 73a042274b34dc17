import type { MounterError } from '../../errors.ts';
import { usageError } from './getopt.ts';

/** One item of an options string: of `vers=4.1` the name is `vers`, the value `4.1` and the text the whole. */
export interface MountOption {
  readonly name: string;
  /** Byte for byte, quotes included; undefined where there is no `=`. */
  readonly value: string | undefined;
  readonly text: string;
}

/**
 * The items of an options string in their order, e.g. of `hard,context="system_u:object_r:x:s0:c1,c2",ro`: commas inside
 * double quotes do not separate, and empty items are skipped. A backslash escapes nothing: mount.nfs(8) splits at `\,`,
 * and what it takes for an option must not hide from us (libmount since 2.34 would not split there).
 * @throws MounterError usage for a quote that is not closed, as mount.nfs; libmount drops all that follows it.
 */
export function parseOptions(options: string): readonly MountOption[] {
  if (options !== parsed.options) parsed = { options, items: parse(options) };
  return parsed.items;
}

/** Of a mount's options there is much to find out, and each question begins with their items. */
let parsed: { readonly options: string; readonly items: readonly MountOption[] } = { options: '', items: [] };

function parse(options: string): readonly MountOption[] {
  const items: MountOption[] = [];
  for (let start = 0; start < options.length; ) {
    const end = itemEnd(options, start);
    if (end === undefined) throw unclosedQuote(items.length + 1);
    if (end > start) items.push(toOption(options.slice(start, end)));
    start = end + 1;
  }
  return items;
}

/** The last of `options` that has one of these names: the one that counts where a later spelling overrules. */
export function lastOption(
  options: readonly MountOption[],
  ...names: readonly string[]
): MountOption | undefined {
  return options.findLast((option) => names.includes(option.name));
}

/** The index of the comma that ends the item at `start`, or the length; undefined inside an open quote. */
function itemEnd(options: string, start: number): number | undefined {
  let isQuoted = false;
  for (let at = start; at < options.length; at += 1) {
    if (options[at] === '"') isQuoted = !isQuoted;
    else if (options[at] === ',' && !isQuoted) return at;
  }
  return isQuoted ? undefined : options.length;
}

/** An item that begins with `=` has no value, only an odd name, as in libmount. */
function toOption(text: string): MountOption {
  const equals = text.indexOf('=', 1);
  if (equals < 0) return { name: text, value: undefined, text };
  return { name: text.slice(0, equals), value: text.slice(equals + 1), text };
}

/** Names the place, not the option: what looks like a name may be the half of a password with a comma in it. */
function unclosedQuote(place: number): MounterError {
  const hint = 'close the quote; a value with a double quote of its own can be given in a file only';
  return usageError('-o', `a double quote is not closed in option number ${place} of the list`, hint);
}
