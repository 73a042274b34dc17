import { parseJsonText } from '../json.ts';

/**
 * JSON that everybody reads alike. JSON.parse takes the last of two members of one name, other readers the first:
 * what a reviewer, or an admission policy of the cluster, has seen would not be what a node goes by.
 */

/** In bytes. A ConfigMap holds up to 1 MiB; settings are some hundred. */
export const longestText = 64 * 1024;
/** No setting lies below 5 levels. */
const deepest = 16;

/** @throws Error with what is wrong, for whoever wrote it. */
export function parseStrictly(text: string): unknown {
  if (new TextEncoder().encode(text).length > longestText)
    throw new Error(`is longer than ${longestText >> 10} KiB`);
  // Before it is parsed: what goes down level by level has no end of stack.
  if (depthOf(text) > deepest) throw new Error(`is nested in more than ${deepest} levels`);
  const json = parseJsonText(text);
  const duplicate = duplicateMember(text);
  if (duplicate !== undefined) throw new Error(`${duplicate}: stands there twice`);
  return json;
}

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/gs;

function depthOf(text: string): number {
  let [depth, most] = [0, 0];
  for (const [token] of text.matchAll(tokens)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    most = Math.max(most, depth);
  }
  return most;
}

/** A member of an object, or an element of a list. */
interface Place {
  /** The names, and numbers in lists, that lead to it. */
  readonly names: readonly string[];
  /** Where it begins in the text. */
  readonly offset: number;
}

/** @param text is valid JSON. */
function* placesIn(text: string): Generator<Place> {
  const open: { readonly isList: boolean; at: string }[] = [];
  const place = (offset: number) => ({ names: open.map(({ at }) => at), offset });
  let word = { text: '""', offset: 0 };
  for (const { 0: token, index } of text.matchAll(tokens)) {
    const around = open.at(-1);
    if (token === '}' || token === ']') open.pop();
    else if (token === '{') open.push({ isList: false, at: '' });
    else if (token === '[') {
      open.push({ isList: true, at: '0' });
      yield place(nextOffset(text, index));
    } else if (token === ',') {
      if (around?.isList !== true) continue;
      around.at = String(Number(around.at) + 1);
      yield place(nextOffset(text, index));
    } else if (token !== ':') word = { text: token, offset: index };
    else if (around !== undefined) {
      // `"enabled"` is the same name.
      around.at = String(JSON.parse(word.text));
      yield place(word.offset);
    }
  }
}

/** What comes after the character at `index`, and after blanks. */
function nextOffset(text: string, index: number): number {
  return index + 1 + text.slice(index + 1).search(/\S/);
}

/** @param text is valid. @returns the path of the first member that has the name of one before it. */
function duplicateMember(text: string): string | undefined {
  const seen = new Set<string>();
  for (const { names } of placesIn(text)) {
    const key = JSON.stringify(names);
    if (seen.has(key)) return names.join('.');
    seen.add(key);
  }
  return undefined;
}

/**
 * The line, from 1, that the member begins on; that of the last object on the way to it where there is no such member.
 * @param text is valid.
 */
export function lineOf(text: string, names: readonly string[]): number {
  let best: Place = { names: [], offset: 0 };
  for (const place of placesIn(text)) {
    const isOnTheWay = place.names.every((name, index) => name === names[index]);
    if (isOnTheWay && place.names.length > best.names.length) best = place;
  }
  return text.slice(0, best.offset).split('\n').length;
}
