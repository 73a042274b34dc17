import { setupTitles, subjectTitles } from './samples.ts';
import type { Spread } from './statistics.ts';
import { outgrown, type Row, type Summary, type Table, type Target } from './summary.ts';

const headings = [
  'volumes',
  'setup',
  'command',
  'wall ms',
  '[quartiles]',
  'min..max',
  'CPU ms',
  'peak MB',
  '× chroot',
] as const;

const tableHeadings = ['volumes', 'setup', 'entries', 'ms to read them'] as const;

/** The summary for people: a table of medians, the mount tables, then each target with what was reached. */
export function describeSummary({ rounds, rows, tables, targets }: Summary): string {
  return [
    `medians of ${rounds} rounds; CPU is user and system time, peak is the largest process; × chroot is the`,
    'multiple of chroot ROOTFS mount -t nfs with as many volumes',
    '',
    ...aligned([headings, ...rows.map(cells)]),
    '',
    ...aligned([tableHeadings, ...tables.map(tableCells)]),
    ...outgrown(tables).map(
      ({ setup, volumes }) => `${setupTitles[setup]}: ${volumes} volumes are more than fs.mount-max allows`,
    ),
    '',
    ...targets.map(verdictOf),
    '',
  ].join('\n');
}

export function verdictOf({ title, limit, figure, isReached }: Target): string {
  return `${isReached ? 'reached:    ' : 'NOT REACHED:'} ${title}: ${figure.toFixed(2)} (at most ${limit})`;
}

function cells(row: Row): readonly string[] {
  const { wallMs } = row;
  return [
    String(row.volumes),
    row.setup,
    subjectTitles[row.subject],
    wallMs.median.toFixed(2),
    `[${range(wallMs.lowerQuartile, wallMs.upperQuartile, ' ')}]`,
    range(wallMs.minimum, wallMs.maximum, '..'),
    median(row.cpuMs),
    median(row.peakMb),
    Number.isNaN(row.wallToChroot) ? '' : row.wallToChroot.toFixed(2),
  ];
}

function tableCells({ setup, volumes, entries, readMs }: Table): readonly string[] {
  return [String(volumes), setupTitles[setup], String(entries), readMs.toFixed(2)];
}

function median(spread: Spread): string {
  return spread.median.toFixed(1);
}

export function range(from: number, to: number, between: string): string {
  return `${from.toFixed(1)}${between}${to.toFixed(1)}`;
}

/** Columns of text to the left; figures to the right. */
export function aligned(lines: readonly (readonly string[])[]): readonly string[] {
  const columns = lines[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const isText = (column: number) => /^[a-z]*$/.test(lines[0]?.[column] ?? '') && column > 0 && column < 3;
  return lines.map((line) =>
    line
      .map((cell, column) =>
        isText(column) && !/^\d/.test(lines[1]?.[column] ?? '')
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
}
