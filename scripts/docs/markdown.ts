/** Tables of Markdown, read and written. */

export type Table = readonly (readonly string[])[];

/** @param headings in its first row. */
export function tableText([headings = [], ...rows]: Table): string {
  return [headings, headings.map(() => '---'), ...rows].map(lineOf).join('');
}

function lineOf(cells: readonly string[]): string {
  return `|${cells.map((cell) => (cell === '---' ? cell : ` ${cell.replaceAll('|', '\\|')} `)).join('|')}|\n`;
}

/** The rows of a table, without its headings. */
export function rowsOf(table: string): Table {
  const [, , ...rows] = table.trimEnd().split('\n');
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll('\\|', '|')),
  );
}

export function quoted(text: string): string {
  return `\`${text}\``;
}

/** All names in code quotes; `.name` is beside the one before it. */
export function namesIn(cell: string): readonly string[] {
  const names = [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
  const [first = ''] = names;
  const beside = first.slice(0, first.lastIndexOf('.'));
  return names.map((name) => (name.startsWith('.') ? beside + name : name));
}
