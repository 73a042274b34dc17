import { subjectTitles } from '../report/samples.ts';
import { aligned, range, verdictOf } from '../report/show.ts';
import type { FirstMountRow, MountRow, NfsBenchSummary, StormRow } from './summary.ts';

const mountHeadings = [
  'rounds',
  'enter',
  'command',
  'wall ms',
  '[quartiles]',
  'min..max',
  'CPU ms',
  '× original',
  '[its quartiles]',
] as const;

const firstMountHeadings = ['runs', 'way', 'outcome', 'seconds', 'min..max'] as const;

const stormHeadings = [
  'storms',
  'calls',
  'outcome',
  'median s',
  '99th percentile s',
  'longest s',
  'all over after s',
] as const;

/** The summary for people: a table for each of the three measurements, then each target with what was reached. */
export function describeSummary({ mounts, firstMounts, storms, targets }: NfsBenchSummary): string {
  return [
    'NFSv4.2 mounts in the test VM, all ways in turn: medians; × original is the multiple of',
    `${subjectTitles.chroot}, round by round`,
    '',
    ...aligned([mountHeadings, ...mounts.map(mountCells)]),
    '',
    'First NFSv3 mounts with locks, where neither rpcbind nor rpc.statd runs',
    '',
    ...aligned([firstMountHeadings, ...firstMounts.map(firstMountCells)]),
    '',
    'NFSv4.2 mounts all at once, of servers that answer and that are silent',
    '',
    ...aligned([stormHeadings, ...storms.map(stormCells)]),
    '',
    ...targets.map(verdictOf),
    '',
  ].join('\n');
}

function mountCells({ rounds, enter, subject, wallMs, cpuMs, wallToOriginal }: MountRow): readonly string[] {
  return [
    String(rounds),
    enter,
    subjectTitles[subject],
    wallMs.median.toFixed(1),
    `[${range(wallMs.lowerQuartile, wallMs.upperQuartile, ' ')}]`,
    range(wallMs.minimum, wallMs.maximum, '..'),
    cpuMs.median.toFixed(0),
    wallToOriginal.median.toFixed(2),
    `[${wallToOriginal.lowerQuartile.toFixed(2)} ${wallToOriginal.upperQuartile.toFixed(2)}]`,
  ];
}

function firstMountCells({ way, runs, seconds, status, mounted, locked }: FirstMountRow): readonly string[] {
  const outcome = mounted < runs ? `status ${status}, ${mounted} mounted` : `mounted, ${locked} locked`;
  return [
    String(runs),
    way,
    outcome,
    seconds.median.toFixed(2),
    `${seconds.minimum.toFixed(2)}..${seconds.maximum.toFixed(2)}`,
  ];
}

function stormCells(row: StormRow): readonly string[] {
  const seconds = [row.medianMs, row.percentile99Ms, row.longestMs, row.wholeMs];
  return [
    String(row.storms),
    row.calls,
    `mounted ${row.succeeded} of ${row.made}`,
    ...seconds.map((milliseconds) => (milliseconds / 1000).toFixed(2)),
  ];
}
