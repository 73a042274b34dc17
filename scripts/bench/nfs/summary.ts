import { type EnterMode, enterModes } from '../../../test/support/node/enter-mode.ts';
import { type Subject, subjects } from '../report/samples.ts';
import { medianOf, type Spread, spreadOf } from '../report/statistics.ts';
import { ratiosByRound, type Target, target } from '../report/summary.ts';
import type { Outcome, StormReport } from '../storm/report.ts';
import { deadlineMs } from '../storm/show.ts';
import type { FirstMount, NfsBenchResults } from './results.ts';

/** What a run came to. */
export interface NfsBenchSummary {
  readonly mounts: readonly MountRow[];
  readonly firstMounts: readonly FirstMountRow[];
  readonly storms: readonly StormRow[];
  readonly targets: readonly Target[];
}

/** NFSv4.2 mounts: one command on the node with that way into the rootfs. */
export interface MountRow {
  readonly rounds: number;
  readonly enter: EnterMode;
  readonly subject: Subject;
  readonly wallMs: Spread;
  readonly cpuMs: Spread;
  /** Its wall time as a multiple of that of the original's way in the same round. */
  readonly wallToOriginal: Spread;
}

/** First NFSv3 mounts with locks. */
export interface FirstMountRow {
  readonly way: 'mounter' | 'the original' | 'the original, rpcbind started before';
  readonly runs: number;
  readonly seconds: Spread;
  /** The last one's. */
  readonly status: number;
  readonly mounted: number;
  readonly locked: number;
}

/** The calls to one server, of all storms of a kind. */
export interface StormRow {
  readonly calls: 'healthy, alone' | 'healthy, beside the dead' | 'dead';
  readonly storms: number;
  /** Of all storms together. */
  readonly made: number;
  readonly succeeded: number;
  /** Medians of the storms. */
  readonly medianMs: number;
  readonly percentile99Ms: number;
  readonly longestMs: number;
  /** From the first call to the last one's end: the median. */
  readonly wholeMs: number;
}

/** From the project's issue on figures. */
const limits = { toOriginal: 1, firstMountSeconds: 3, besideDead: 2 } as const;

export function summarize(results: NfsBenchResults): NfsBenchSummary {
  const mounts = mountRowsOf(results);
  const { firstMounts, original, helpedOriginal } = results;
  const firstRows = [
    firstMountRow('mounter', firstMounts),
    firstMountRow('the original', [original]),
    firstMountRow('the original, rpcbind started before', [helpedOriginal]),
  ];
  return {
    mounts,
    firstMounts: firstRows,
    storms: stormRowsOf(results.storms),
    targets: [
      ...mountTargets(mounts),
      ...firstMountTargets(firstRows.slice(0, 1)),
      ...stormTargets(results.storms),
    ],
  };
}

function mountRowsOf({ mounts }: NfsBenchResults): readonly MountRow[] {
  const original = mounts.filter(({ subject }) => subject === 'chroot');
  return enterModes.flatMap((enter) =>
    subjects.flatMap((subject) => {
      const own = mounts.filter((sample) => sample.enter === enter && sample.subject === subject);
      if (own.length === 0) return [];
      return {
        rounds: own.length,
        enter,
        subject,
        wallMs: spreadOf(own.map(({ wallMs }) => wallMs)),
        cpuMs: spreadOf(own.map(({ cpuMs }) => cpuMs)),
        wallToOriginal: spreadOf(ratiosByRound(own, original)),
      };
    }),
  );
}

function firstMountRow(way: FirstMountRow['way'], runs: readonly FirstMount[]): FirstMountRow {
  return {
    way,
    runs: runs.length,
    seconds: spreadOf(runs.map(({ seconds }) => seconds)),
    status: runs.at(-1)?.status ?? Number.NaN,
    mounted: runs.filter(({ status }) => status === 0).length,
    locked: runs.filter(({ isLocked }) => isLocked === true).length,
  };
}

function stormRowsOf(storms: readonly StormReport[]): readonly StormRow[] {
  const [alone, beside] = [storms.filter(isAlone), storms.filter((one) => !isAlone(one))];
  return [
    ...stormRow('healthy, alone', alone, healthyOf),
    ...stormRow('healthy, beside the dead', beside, healthyOf),
    ...stormRow('dead', beside, deadOf),
  ];
}

const isAlone = ({ storm }: StormReport): boolean => storm.dead === 0;
const healthyOf = ({ healthy }: StormReport): readonly Outcome[] => (healthy === null ? [] : [healthy]);
const deadOf = ({ dead }: StormReport): readonly Outcome[] => (dead === null ? [] : [dead]);

function stormRow(
  calls: StormRow['calls'],
  storms: readonly StormReport[],
  outcomesOf: (storm: StormReport) => readonly Outcome[],
): readonly StormRow[] {
  const outcomes = storms.flatMap(outcomesOf);
  if (outcomes.length === 0) return [];
  return [
    {
      calls,
      storms: storms.length,
      made: sum(outcomes.map((outcome) => outcome.calls)),
      succeeded: sum(outcomes.map(({ succeeded }) => succeeded)),
      medianMs: medianOf(outcomes.map(({ wallMs }) => wallMs.median)),
      percentile99Ms: medianOf(outcomes.map(({ wallMs }) => wallMs.percentile99)),
      longestMs: Math.max(...outcomes.map(({ wallMs }) => wallMs.maximum)),
      wholeMs: medianOf(storms.map(({ wholeMs }) => wholeMs)),
    },
  ];
}

/** Of what kubelet calls. */
function mountTargets(rows: readonly MountRow[]): readonly Target[] {
  return rows
    .filter(({ subject }) => subject === 'mounter')
    .map(({ enter, wallToOriginal }) =>
      target(`${enter}: NFSv4.2 mount as a multiple of the original's`, limits.toOriginal, [
        wallToOriginal.median,
      ]),
    );
}

function firstMountTargets(rows: readonly FirstMountRow[]): readonly Target[] {
  return [
    target(
      'first NFSv3 mount with locks, in seconds',
      limits.firstMountSeconds,
      rows.map(({ seconds }) => seconds.median),
    ),
    target(
      'first NFSv3 mounts after which no lock was to be had',
      0,
      rows.map(({ runs, locked }) => runs - locked),
    ),
  ];
}

/** Each storm beside the dead ones is compared with the one before it, made while the machine was as busy. */
function stormTargets(storms: readonly StormReport[]): readonly Target[] {
  const ratios = storms.flatMap((beside, index) => {
    const [before] = storms.slice(index - 1, index).flatMap(healthyOf);
    const [healthy] = healthyOf(beside);
    if (isAlone(beside) || before === undefined || healthy === undefined) return [];
    return [healthy.wallMs.percentile99 / before.wallMs.percentile99];
  });
  if (ratios.length === 0) return [];
  const failed = storms.flatMap(healthyOf).map(({ calls, succeeded }) => calls - succeeded);
  const longest = storms.flatMap(deadOf).map(({ wallMs }) => wallMs.maximum / 1000);
  return [
    target('healthy mounts of a storm that failed', 0, failed),
    target('99th percentile beside the dead ones, as a multiple of that alone', limits.besideDead, [
      medianOf(ratios),
    ]),
    target('the longest dead one, in seconds', deadlineMs / 1000, longest),
  ];
}

function sum(figures: readonly number[]): number {
  return figures.reduce((total, figure) => total + figure, 0);
}
