import { type Sample, type Series, type Subject, subjects } from './samples.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** What a run of the benchmark came to. */
export interface Summary {
  readonly rounds: number;
  readonly rows: readonly Row[];
  readonly targets: readonly Target[];
}

/** One subject with one number of volumes. */
export interface Row {
  readonly volumes: number;
  readonly subject: Subject;
  readonly wallMs: Spread;
  readonly cpuMs: Spread;
  readonly peakMb: Spread;
  /** Its wall time as a multiple of the bare helper's in the same round: the median of the rounds. */
  readonly wallToHelper: number;
  /** The same, of `chroot ROOTFS mount`. */
  readonly wallToChroot: number;
}

/** A limit from the project's issue on the benchmark, and the figure it was compared with. */
export interface Target {
  readonly title: string;
  readonly limit: number;
  readonly figure: number;
  readonly isReached: boolean;
}

/** At most so many times `chroot ROOTFS mount`, at every number of volumes. */
const wallLimit = 2.5;
/** Flat in the number of volumes: the most volumes cost at most so many times the fewest. */
const growthLimit = 1.3;
const peakLimitMb = 40;

/** @param series in ascending order of volumes, at least one. */
export function summarize(rounds: number, series: readonly Series[]): Summary {
  const rows = series.flatMap(rowsOf);
  return { rounds, rows, targets: targetsOf(rows.filter(({ subject }) => subject === 'mounter')) };
}

function rowsOf({ volumes, samples }: Series): readonly Row[] {
  return subjects.map((subject) => {
    const own = samples.filter((sample) => sample.subject === subject);
    const others = (name: Subject) => samples.filter((sample) => sample.subject === name);
    return {
      volumes,
      subject,
      wallMs: spreadOf(own.map(({ wallMs }) => wallMs)),
      cpuMs: spreadOf(own.map(({ cpuMs }) => cpuMs)),
      peakMb: spreadOf(own.map(({ peakMb }) => peakMb)),
      wallToHelper: medianRatio(own, others('helper')),
      wallToChroot: medianRatio(own, others('chroot')),
    };
  });
}

/** Round by round: what slows the machine down for a while slows down both. */
function medianRatio(own: readonly Sample[], others: readonly Sample[]): number {
  const wallMs = new Map(others.map((sample) => [sample.round, sample.wallMs]));
  return spreadOf(own.map((sample) => sample.wallMs / (wallMs.get(sample.round) ?? NaN))).median;
}

function targetsOf(mounter: readonly Row[]): readonly Target[] {
  const [fewest, most] = [mounter[0], mounter.at(-1)];
  const targets = [
    target(
      'wall time as a multiple of chroot ROOTFS mount',
      wallLimit,
      mounter.map((row) => row.wallToChroot),
    ),
    target(
      'peak memory in MB',
      peakLimitMb,
      mounter.map((row) => row.peakMb.maximum),
    ),
  ];
  if (fewest === undefined || most === undefined || fewest === most) return targets;
  const title = `wall time with ${most.volumes} volumes as a multiple of that with ${fewest.volumes}`;
  return [...targets, target(title, growthLimit, [most.wallMs.median / fewest.wallMs.median])];
}

/** The worst of `figures` counts. */
function target(title: string, limit: number, figures: readonly number[]): Target {
  const figure = Math.max(...figures);
  return { title, limit, figure, isReached: figure <= limit };
}
