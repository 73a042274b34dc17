/** JSON that says where it is wrong: engines tell it each in its own way, or not at all. @see RFC 8259 */

/** A mark, a string, or what stands by itself; blanks may come before. */
const tokens =
  /[ \t\n\r]*(?:([{}[\],:])|("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*")|((?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])))/y;

/**
 * What JSON.parse makes of `text`.
 * @throws Error whose message names line and column, both from 1, and what is expected there; it quotes nothing.
 */
export function parseJsonText(text: string, reviver?: Parameters<typeof JSON.parse>[1]): unknown {
  try {
    return JSON.parse(text, reviver);
  } catch (error) {
    throw new Error(`not valid JSON: ${faultIn(text) ?? (error as Error).message}`, { cause: error });
  }
}

/** What a program or a peer has said; undefined for what is no JSON, which says nothing of where it is to be mended. */
export function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Of all that `--json` prints. Another one where a member goes, or comes to mean something else; not where one comes. */
export const formatVersion = 1;

/** What `--json` prints; its schema is made of the type, by `npm run schemas`. */
export function jsonOutput(value: object): string {
  return `${JSON.stringify({ formatVersion, ...value }, undefined, 2)}\n`;
}

/** What may come next, in words. */
const expected = {
  value: 'a value',
  firstValue: 'a value or "]"',
  name: 'a name in double quotes',
  firstName: 'a name in double quotes or "}"',
  colon: '":"',
  end: 'the end of the file',
  inObject: '"," or "}"',
  inArray: '"," or "]"',
} as const;

type Place = keyof typeof expected;

/** @returns undefined where the grammar has nothing against it, such as too many levels. */
function faultIn(text: string): string | undefined {
  const open: ('inObject' | 'inArray')[] = [];
  let place: Place = 'value';
  for (let at = 0; ; at = tokens.lastIndex) {
    tokens.lastIndex = at;
    const [, mark, string] = tokens.exec(text) ?? [];
    const next: Place | undefined =
      tokens.lastIndex === 0 ? undefined : after(place, mark ?? (string && '"') ?? '0', open);
    if (next === undefined)
      return place === 'end' && /^\s*$/.test(text.slice(at)) ? undefined : told(text, at, place);
    place = next;
  }
}

/** @param kind a mark; `"` for a string, `0` for all else. @returns undefined for what cannot stand there. */
function after(place: Place, kind: string, open: ('inObject' | 'inArray')[]): Place | undefined {
  const isValuePlace = place === 'value' || place === 'firstValue';
  if (isValuePlace && (kind === '{' || kind === '[')) {
    open.push(kind === '{' ? 'inObject' : 'inArray');
    return kind === '{' ? 'firstName' : 'firstValue';
  }
  if (kind === '"' && (place === 'name' || place === 'firstName')) return 'colon';
  if (kind === ':' && place === 'colon') return 'value';
  if (kind === ',' && place === 'inObject') return 'name';
  if (kind === ',' && place === 'inArray') return 'value';
  const closesObject = kind === '}' && (place === 'inObject' || place === 'firstName');
  const closesArray = kind === ']' && (place === 'inArray' || place === 'firstValue');
  if (closesObject || closesArray) open.pop();
  else if (!isValuePlace || (kind !== '"' && kind !== '0')) return undefined;
  return open.at(-1) ?? 'end';
}

function told(text: string, at: number, place: Place): string {
  const start = at + (/^[ \t\n\r]*/.exec(text.slice(at))?.[0].length ?? 0);
  const before = text.slice(0, start);
  const column = start - before.lastIndexOf('\n');
  const line = before.split('\n').length;
  const isEnd = start === text.length;
  return `line ${line}, column ${column}: ${isEnd ? 'the text ends where ' : ''}${expected[place]} is expected`;
}
