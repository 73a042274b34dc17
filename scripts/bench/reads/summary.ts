import { type Chart, svgOf } from '../report/chart.ts';
import { aligned } from '../report/show.ts';
import { medianOf } from '../report/statistics.ts';
import type { ReadSample } from './results.ts';

/** What Linux takes for NFS by itself, since 5.4. */
const kernelsReadAheadKib = 128;

/** From the project's issue on NFS. */
const leastGain = 1.3;

export interface ReadAheadSummary {
  readonly rounds: number;
  readonly samples: readonly ReadSample[];
  /** What is compared with the kernel's own, in KiB. */
  readonly tunedKib: number;
  /** On the link with the longest delay, one reader: tuned as a multiple of the kernel's own, each in one round. */
  readonly gain: number;
  readonly isReached: boolean;
}

export function summarize(
  samples: readonly ReadSample[],
  rounds: number,
  tunedKib: number,
): ReadAheadSummary {
  const delayMs = Math.max(...samples.map((sample) => sample.delayMs));
  const alone = samples.filter(
    (sample) => sample.options === '' && sample.delayMs === delayMs && sample.readers === 1,
  );
  const of = (kib: number) => alone.filter(({ readAheadKib }) => readAheadKib === kib);
  const before = of(kernelsReadAheadKib);
  const gain = medianOf(of(tunedKib).map((one, at) => one.mibPerSecond / (before[at]?.mibPerSecond ?? 0)));
  return { rounds, samples, tunedKib, gain, isReached: gain >= leastGain };
}

/** For people: a table of read-aheads, one of mount options, and the verdict. */
export function describeSummary({ rounds, samples, tunedKib, gain, isReached }: ReadAheadSummary): string {
  const delayMs = Math.max(...samples.map((sample) => sample.delayMs));
  return [
    `MiB/s of all readers together, medians of ${rounds} rounds: NFSv4.2 in the test VM, with the files in the`,
    "server's memory; by the read-ahead in KiB",
    '',
    ...aligned(readAheadTable(samples)),
    '',
    'The same by mount options',
    '',
    ...aligned(optionsTable(samples)),
    '',
    `${isReached ? 'reached:    ' : 'NOT REACHED:'} one reader, ${delayMs} ms: ${tunedKib} KiB as a multiple of ${kernelsReadAheadKib} KiB: ${gain.toFixed(2)} (at least ${leastGain})`,
    '',
  ].join('\n');
}

/** A row for each link, number of readers and size of requests; a column for each read-ahead. */
function readAheadTable(samples: readonly ReadSample[]): readonly (readonly string[])[] {
  const plain = samples.filter(({ options }) => options === '');
  const columns = distinct(plain.map(({ readAheadKib }) => readAheadKib));
  const rows = Map.groupBy(plain, (one) => `${one.delayMs} ms|${one.readers}|${one.requestKib} KiB`);
  return [
    ['round trip', 'readers', 'request', ...columns.map(String)],
    ...[...rows].map(([key, row]) => [
      ...key.split('|'),
      ...columns.map((kib) => figure(row.filter(({ readAheadKib }) => readAheadKib === kib))),
    ]),
  ];
}

function optionsTable(samples: readonly ReadSample[]): readonly (readonly string[])[] {
  const withOptions = samples.filter(({ options }) => options !== '');
  const [first] = withOptions;
  if (first === undefined) return [];
  // With the same read-ahead and requests, for comparison.
  const all = samples.filter(
    ({ readAheadKib, requestKib }) => readAheadKib === first.readAheadKib && requestKib === first.requestKib,
  );
  const columns = [...Map.groupBy(all, (one) => `${one.delayMs} ms, ${one.readers}`).keys()];
  const rows = Map.groupBy(all, ({ options }) => options);
  return [
    [`read-ahead ${first.readAheadKib}`, ...columns.map((column) => `${column} readers`)],
    ...[...rows].map(([options, row]) => [
      options === '' ? 'vers=4.2' : `vers=4.2,${options}`,
      ...columns.map((column) => figure(row.filter((one) => `${one.delayMs} ms, ${one.readers}` === column))),
    ]),
  ];
}

/** The plot: a line for each link and number of readers, over the read-ahead, of the smallest requests. */
export function svgOfSummary({ samples }: ReadAheadSummary): string {
  const smallest = Math.min(...samples.map(({ requestKib }) => requestKib));
  const plain = samples.filter(({ options, requestKib }) => options === '' && requestKib === smallest);
  const lines = Map.groupBy(plain, ({ delayMs, readers }) => nameOf(delayMs, readers));
  const chart: Chart = {
    title: `NFS reads of ${smallest} KiB, by read-ahead and round trip`,
    across: 'read-ahead in KiB',
    ticks: distinct(plain.map(({ readAheadKib }) => readAheadKib)),
    unit: 'MiB/s, all readers together',
    lines: [...lines].map(([name, line]) => ({
      name,
      points: [...Map.groupBy(line, ({ readAheadKib }) => readAheadKib)].map(
        ([kib, some]) => [kib, medianOf(some.map(({ mibPerSecond }) => mibPerSecond))] as const,
      ),
    })),
  };
  return svgOf(chart);
}

function nameOf(delayMs: number, readers: number): string {
  const who = readers === 1 ? 'one reader' : `${readers} readers`;
  return `${who}, ${delayMs === 0 ? 'no delay' : `${delayMs} ms away`}`;
}

function figure(samples: readonly ReadSample[]): string {
  return samples.length === 0 ? '' : medianOf(samples.map(({ mibPerSecond }) => mibPerSecond)).toFixed(0);
}

function distinct(numbers: readonly number[]): readonly number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}
