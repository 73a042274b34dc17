import type { Chart, Line } from './chart.ts';
import { type Setup, type Subject, setups, setupTitles, subjectTitles } from './samples.ts';
import { outgrown, type Summary } from './summary.ts';

/** The charts of a run, by the names of their files. */
export function chartsOf(summary: Summary): Readonly<Record<string, Chart>> {
  return {
    'mount-table': {
      title: 'Entries of the host’s mount table',
      unit: 'lines of /proc/self/mountinfo',
      across,
      lines: tableLines(summary, ({ entries }) => entries),
    },
    'read-time': {
      title: 'Time to read the host’s mount table',
      unit: 'ms',
      across,
      lines: tableLines(summary, ({ readMs }) => readMs),
    },
    'mount-time': { title: 'Time of one mount', unit: 'ms, median', across, lines: mountLines(summary) },
  };
}

const across = 'mounted volumes';

function tableLines(
  { tables }: Summary,
  figure: (table: Summary['tables'][number]) => number,
): readonly Line[] {
  return setups.flatMap((setup) => {
    const points = tables
      .filter((table) => table.setup === setup)
      .map((table) => [table.volumes, figure(table)] as const);
    return points.length === 0 ? [] : { name: setupTitles[setup], points, end: endOf(setup, tables) };
  });
}

function endOf(setup: Setup, tables: Summary['tables']): string | undefined {
  return outgrown(tables).some((other) => other.setup === setup) ? 'fs.mount-max' : undefined;
}

const mounts: readonly (readonly [Setup, Subject, string])[] = [
  ['chroot', 'mounter', 'mounter, enter: chroot'],
  ['attach', 'mounter', 'mounter, enter: attach'],
  ['bare', 'helper', 'bare helper on the host'],
  ['naive', 'chroot', 'chroot mount, naive binds'],
  ['chroot', 'chroot', subjectTitles.chroot],
  ['chroot', 'full', 'mounter-full, enter: chroot'],
];

function mountLines({ rows }: Summary): readonly Line[] {
  return mounts.flatMap(([setup, subject, name]) => {
    const points = rows
      .filter((row) => row.setup === setup && row.subject === subject)
      .map((row) => [row.volumes, row.wallMs.median] as const);
    return points.length === 0 ? [] : { name, points };
  });
}
