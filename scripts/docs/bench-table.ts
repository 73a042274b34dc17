import { readFileSync } from 'node:fs';
import { subjectTitles } from '../bench/report/samples.ts';
import type { Summary } from '../bench/report/summary.ts';
import { repository } from '../paths.ts';
import { quoted, type Table } from './markdown.ts';

/** What docs/performance.md shows of a run of `npm run bench`: its bench.json, kept in docs/figures. */
export function benchTable(): Table {
  const { rows, tables }: Summary = JSON.parse(readFileSync(`${repository}/docs/figures/mount.json`, 'utf8'));
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
