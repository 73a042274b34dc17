import { resolve } from 'node:path';
import type { FlagsOf } from '../../src/commands/command.ts';
import { exitCode } from '../../src/exit-codes.ts';
import { runMain, wholeNumber } from '../command-line.ts';
import { mounterExecutable } from '../paths.ts';
import { verdictOf } from './report/show.ts';
import { medianOf } from './report/statistics.ts';
import { target } from './report/summary.ts';
import type { Storm, StormReport } from './storm/report.ts';
import { runStorms } from './storm/run.ts';
import { describeStorm, faultsOf, memoryLimitMb } from './storm/show.ts';

/** From the project's issue: the 99th percentile of the healthy ones, beside so many dead ones, and without. */
const ratioLimit = 2;

const flags = {
  '--calls N': { text: 'to each of the two servers, where both are called', default: '200' },
  '--all N': { text: 'to the healthy server alone', default: '500' },
  '--rounds N': { text: 'how often the comparison is made', default: '3' },
  '--mounter FILE': 'this executable, instead of dist/mounter',
  '--called NAME': { text: 'the executable in MOUNTER_HOME to call', default: 'mounter' },
} as const;

async function main(given: FlagsOf<typeof flags>): Promise<number> {
  const number = (name: 'calls' | 'all' | 'rounds') => wholeNumber(`--${name}`, given.value(name), 99_999);
  const storms = stormsOf(number('calls'), number('all'), number('rounds'));
  const faults: string[] = [];
  const reports = await runStorms(
    storms,
    resolve(given.value('mounter') ?? mounterExecutable),
    given.value('called'),
    (report) => {
      process.stdout.write(describeStorm(report));
      faults.push(...faultsOf(report));
    },
  );
  process.stdout.write(`\n${verdictsOf(reports).join('\n')}\n`);
  for (const fault of faults) process.stderr.write(`bench:storm: ${fault}\n`);
  return faults.length === 0 ? exitCode.success : exitCode.system;
}

function stormsOf(calls: number, all: number, rounds: number): readonly Storm[] {
  return [
    { name: `${calls} calls wait`, healthy: 0, dead: calls, watchesMemory: true },
    { name: `${all} healthy ones`, healthy: all, dead: 0 },
    ...Array.from({ length: rounds }, (_, round): readonly Storm[] => [
      { name: `round ${round + 1}, ${calls} healthy ones alone`, healthy: calls, dead: 0 },
      { name: `round ${round + 1}, beside ${calls} dead ones`, healthy: calls, dead: calls },
      {
        name: `round ${round + 1}, beside ${calls} that are remembered`,
        healthy: calls,
        dead: calls,
        isRemembered: true,
      },
    ]).flat(),
  ];
}

function verdictsOf(reports: readonly StormReport[]): readonly string[] {
  const alone = percentiles(reports, ({ storm }) => / alone$/.test(storm.name));
  const beside = percentiles(reports, ({ storm }) => /dead ones$/.test(storm.name));
  const remembered = percentiles(reports, ({ storm }) => storm.isRemembered === true);
  const peakMb = Math.max(...reports.map((report) => report.peakMb ?? 0));
  return [
    target('memory of those that wait, in MB', memoryLimitMb, [peakMb]),
    target('99th percentile beside the dead ones, as a multiple of that alone', ratioLimit, [
      medianOf(beside) / medianOf(alone),
    ]),
    target('the same beside those that are remembered', ratioLimit, [medianOf(remembered) / medianOf(alone)]),
  ].map(verdictOf);
}

function percentiles(
  reports: readonly StormReport[],
  isOne: (report: StormReport) => boolean,
): readonly number[] {
  return reports.filter(isOne).flatMap(({ healthy }) => healthy?.wallMs.percentile99 ?? []);
}

await runMain({
  name: 'bench:storm',
  flags,
  needsRoot: true,
  manual: [
    `Hundreds of calls of mounter mount at once, on a node made for them in namespaces of its own: to a server that answers
    (a helper that does one mount(2)) and to one that is silent (a helper that waits). Prints how long they took and what
    memory they held. Needs root, dist/mounter and dist/rootfs.tar.zst.`,
  ],
  run: main,
});
