import { subjectTitles } from './samples.ts';
import type { Spread } from './statistics.ts';
import type { Row, Summary } from './summary.ts';

const headings = [
  'volumes',
  'command',
  'wall ms',
  '[quartiles]',
  'min..max',
  'CPU ms',
  'peak MB',
  '× helper',
  '× chroot',
] as const;

/** The summary for people: a table of medians, then each target with what was reached. */
export function describeSummary({ rounds, rows, targets }: Summary): string {
  const verdicts = targets.map(
    ({ title, limit, figure, isReached }) =>
      `${isReached ? 'reached:    ' : 'NOT REACHED:'} ${title}: ${figure.toFixed(2)} (at most ${limit})`,
  );
  return [
    `medians of ${rounds} rounds; CPU is user and system time, peak is the largest process`,
    '',
    ...table([headings, ...rows.map(cells)]),
    '',
    ...verdicts,
    '',
  ].join('\n');
}

function cells(row: Row): readonly string[] {
  const { wallMs } = row;
  return [
    String(row.volumes),
    subjectTitles[row.subject],
    wallMs.median.toFixed(2),
    `[${range(wallMs.lowerQuartile, wallMs.upperQuartile, ' ')}]`,
    range(wallMs.minimum, wallMs.maximum, '..'),
    median(row.cpuMs),
    median(row.peakMb),
    row.wallToHelper.toFixed(2),
    row.wallToChroot.toFixed(2),
  ];
}

function median(spread: Spread): string {
  return spread.median.toFixed(1);
}

function range(from: number, to: number, between: string): string {
  return `${from.toFixed(1)}${between}${to.toFixed(1)}`;
}

/** The second column, which is text, to the left; figures to the right. */
function table(lines: readonly (readonly string[])[]): readonly string[] {
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const pad = (cell: string, column: number) =>
    column === 1 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
  return lines.map((line) => line.map(pad).join('  '));
}
