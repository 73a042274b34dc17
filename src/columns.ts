import { printable } from './errors.ts';

/** Text in columns, for terminals and pipes. */

/** How wide help is, and what a terminal has at least. */
export const usualWidth = 80;

/** Columns of the terminal that stdout is; undefined for a pipe or a file, whose lines are for programs. */
export function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns || usualWidth : undefined;
}

/**
 * Rows in aligned columns, two spaces apart, a newline after each; control characters made visible.
 * @param width the last column is broken at blanks into lines that end before it, where it is not too narrow for that.
 */
export function table(rows: readonly (readonly string[])[], width?: number): string {
  const shown = rows.map((row) => row.map(printable));
  const columns = Math.max(0, ...shown.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...shown.map((row) => (row[column] ?? '').length)),
  );
  return shown.map((row) => tableRow(row, widths, width)).join('');
}

function tableRow(
  row: readonly string[],
  widths: readonly number[],
  width = Number.POSITIVE_INFINITY,
): string {
  const before = row
    .slice(0, -1)
    .map((cell, column) => `${cell.padEnd(widths[column] ?? 0)}  `)
    .join('');
  const left = width - before.length;
  const last = row.at(-1) ?? '';
  const [first = '', ...others] = left < narrowest ? [last] : wrapped(last, left);
  return [before + first, ...others.map((line) => ' '.repeat(before.length) + line)]
    .map((line) => `${line}\n`)
    .join('');
}

/** A column below this is no easier to read than a line that the terminal breaks. */
const narrowest = 24;

/**
 * The text in lines of at most `width`. At least one line; a word that is longer has a line of its own.
 * @param blank where a line may be broken: each match stands for one blank.
 */
export function wrapped(text: string, width: number, blank: string | RegExp = ' '): readonly string[] {
  if (text.length <= width) return [text];
  return text.split(blank).reduce<string[]>((lines, word) => {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
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
