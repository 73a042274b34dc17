import { readFileSync } from 'node:fs';
import { type Chart, svgOf } from '../bench/report/chart.ts';
import { chartsOf } from '../bench/report/charts.ts';
import { subjectTitles } from '../bench/report/samples.ts';
import type { Summary } from '../bench/report/summary.ts';
import { repository } from '../paths.ts';
import { quoted, type Table } from './markdown.ts';
import { oneMountPicture } from './one-mount-picture.ts';

/** What docs/performance.md shows of runs of `npm run bench`: docs/figures keeps the bench.json of each. */

function summaryOf(name: 'mount' | 'volumes'): Summary {
  return JSON.parse(readFileSync(`${repository}/docs/figures/${name}.json`, 'utf8'));
}

/** One mount on a node with few volumes. */
export function benchTable(): Table {
  const { rows, tables } = summaryOf('mount');
  const headings = [
    'command',
    '`enter`',
    'wall ms',
    'quartiles',
    'CPU ms',
    'peak MB',
    '× `chroot`',
    'instructions',
  ];
  return [
    headings,
    ...rows.map(({ setup, subject, volumes, wallMs, cpuMs, peakMb, wallToChroot }) => {
      const table = tables.find((one) => one.setup === setup && one.volumes === volumes);
      const counted = subject === 'mounter' ? table?.instructions : undefined;
      return [
        subjectTitles[subject],
        quoted(setup),
        wallMs.median.toFixed(2),
        `${wallMs.lowerQuartile.toFixed(1)} to ${wallMs.upperQuartile.toFixed(1)}`,
        cpuMs.median.toFixed(1),
        peakMb.median.toFixed(1),
        wallToChroot.toFixed(2),
        counted === undefined ? '–' : `${(counted / 1e6).toFixed(2)} million`,
      ];
    }),
  ];
}

/** One mount; and up to 10000 volumes, by what a machine with other work says as well: counts, and time of the CPU. */
export function benchPictures(): Readonly<Record<string, string>> {
  const summary = summaryOf('volumes');
  // The chart of wall times, with the other time in it.
  const ofCpu = chartsOf({ ...summary, rows: summary.rows.map((row) => ({ ...row, wallMs: row.cpuMs })) });
  const cpu = { ...pick(ofCpu, 'mount-time'), title: 'CPU time of one mount' };
  return {
    'docs/pictures/one-mount.svg': oneMountPicture(summaryOf('mount')),
    'docs/pictures/mount-table.svg': svgOf(pick(chartsOf(summary), 'mount-table')),
    'docs/pictures/mount-cpu.svg': svgOf(cpu),
  };
}

function pick(charts: Readonly<Record<string, Chart>>, name: string): Chart {
  const chart = charts[name];
  if (chart === undefined) throw new Error(`the benchmark makes no chart ${name}`);
  return chart;
}
