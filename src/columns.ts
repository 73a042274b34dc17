import { printable } from './errors.ts';

/** Text in columns, for terminals and pipes. */

/** How wide help is, and what a terminal has at least. */
export const usualWidth = 80;

/**
 * Columns of the terminal that stdout is; undefined for a pipe or a file, whose lines are for programs.
 * @param isWide whether lines are wanted whole there, too.
 */
export function terminalWidth(isWide = false): number | undefined {
  return process.stdout.isTTY && !isWide ? process.stdout.columns || usualWidth : undefined;
}

export type Colour = 'red' | 'green' | 'yellow';

const colourCodes: Readonly<Record<Colour, number>> = { red: 31, green: 32, yellow: 33 };

/** The text in a colour, where stdout is a terminal that has them. @see https://no-color.org */
export function coloured(text: string, colour: Colour | undefined): string {
  const { NO_COLOR = '', TERM = 'dumb' } = process.env;
  if (colour === undefined || !process.stdout.isTTY || NO_COLOR !== '' || TERM === 'dumb') return text;
  return `\x1b[${colourCodes[colour]}m${text}\x1b[0m`;
}

/** Letters that take two columns of a terminal: those of East Asia but for the half ones, and pictures. @see UAX #11 */
const wide =
  /(?![\uff61-\uffdc])[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303f\uff01-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/gu;

/** How many columns of a terminal a text takes: of printable text, without colours. */
export function columnsOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  // What stands on the letter before it takes none.
  const letters = text.replace(/\p{Mn}/gu, '');
  return [...letters].length + (letters.match(wide)?.length ?? 0);
}

/** What of a table is more than text. */
interface TableForm {
  /** Columns of names: where the table would be wider than it may, these are shortened in the middle. */
  readonly names?: readonly number[];
  readonly colourOf?: (cell: string, column: number) => Colour | undefined;
}

/**
 * Rows in aligned columns, two spaces apart, a newline after each; control characters made visible.
 * @param width the last column is broken at blanks into lines that end before it, where it is not too narrow for that.
 */
export function table(
  rows: readonly (readonly string[])[],
  width = Number.POSITIVE_INFINITY,
  { names = [], colourOf = () => undefined }: TableForm = {},
): string {
  const printed = rows.map((row) => row.map(printable));
  const columns = Math.max(0, ...printed.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...printed.map((row) => columnsOf(row[column] ?? ''))),
  );
  const narrow = narrowed(widths, width, names);
  const shown = printed.map((row) =>
    row.map((cell, column) => (names.includes(column) ? shortened(cell, narrow[column] ?? 0) : cell)),
  );
  return shown.map((row) => tableRow(row, narrow, width, colourOf)).join('');
}

/** The widths, those of the longest names as much less as it takes. */
function narrowed(widths: readonly number[], width: number, names: readonly number[]): readonly number[] {
  const fitting = [...widths];
  for (let left = fitting.reduce((sum, each) => sum + each + 2, -2) - width; left > 0; left -= 1) {
    const longest = names.toSorted((a, b) => (fitting[b] ?? 0) - (fitting[a] ?? 0))[0];
    if (longest === undefined || (fitting[longest] ?? 0) <= shortestName) break;
    fitting[longest] = (fitting[longest] ?? 0) - 1;
  }
  return fitting;
}

const shortestName = 12;

/** Of a name the end says more than the beginning: `/var/lib/ku…io~nfs/pv-data-7`. */
export function shortened(name: string, width: number): string {
  if (columnsOf(name) <= width) return name;
  const atEnd = Math.ceil(((width - 1) * 2) / 3);
  const letters = [...name];
  const beginning = fitting(letters, width - 1 - atEnd);
  const end = fitting(letters.toReversed(), atEnd).toReversed();
  return `${beginning.join('')}…${end.join('')}`.toWellFormed();
}

/** As many of the letters, from the first on, as there are columns for. */
function fitting(letters: readonly string[], columns: number): readonly string[] {
  let taken = 0;
  const end = letters.findIndex((letter) => {
    taken += columnsOf(letter);
    return taken > columns;
  });
  return end < 0 ? letters : letters.slice(0, end);
}

function tableRow(
  row: readonly string[],
  widths: readonly number[],
  width: number,
  colourOf: NonNullable<TableForm['colourOf']>,
): string {
  const last = row.length - 1;
  const cells = row.slice(0, -1).map((cell, column) => {
    const blanks = ' '.repeat((widths[column] ?? 0) - columnsOf(cell) + 2);
    return coloured(cell, colourOf(cell, column)) + blanks;
  });
  const before = cells.reduce((sum, _, column) => sum + (widths[column] ?? 0) + 2, 0);
  const text = row[last] ?? '';
  const lines = width - before < narrowest ? [text] : wrapped(text, width - before);
  const [first = '', ...others] = lines.map((line) => coloured(line, colourOf(text, last)));
  return [cells.join('') + first, ...others.map((line) => ' '.repeat(before) + line)]
    .map((line) => `${line}\n`)
    .join('');
}

/** A column below this is no easier to read than a line that the terminal breaks. */
const narrowest = 24;

/**
 * The text in lines of at most `width`. At least one line; a word that is longer has a line of its own.
 * @param blank where a line may be broken: each match stands for one blank.
 */
export function wrapped(
  text: string,
  width = Number.POSITIVE_INFINITY,
  blank: string | RegExp = ' ',
): readonly string[] {
  if (columnsOf(text) <= width) return [text];
  return text.split(blank).reduce<string[]>((lines, word) => {
    const last = lines.at(-1);
    if (last !== undefined && columnsOf(last) + 1 + columnsOf(word) <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
    return lines;
  }, []);
}

/**
 * Terms and what they mean, in two columns that begin `indent` from the left. A term that is too long for its column
 * has a line of its own.
 */
export function termList(rows: readonly (readonly [term: string, text: string])[], indent: number): string {
  const fitting = rows.map(([term]) => term.length).filter((length) => length <= longestTerm);
  const at = indent + Math.max(8, ...fitting) + 2;
  return rows
    .map(([term, text]) => {
      const lines = wrapped(text, usualWidth - at).map((line) => ' '.repeat(at) + line);
      const isBeside = indent + term.length + 2 <= at;
      const begin = ' '.repeat(indent) + term;
      const all = isBeside ? [begin.padEnd(at) + lines[0]?.slice(at), ...lines.slice(1)] : [begin, ...lines];
      return all.map((line) => `${line.trimEnd()}\n`).join('');
    })
    .join('');
}

const longestTerm = 25;
