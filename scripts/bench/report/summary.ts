import { measuredTogether, type Sample, type Series, type Setup, type Subject, subjects } from './samples.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** What a run of the benchmark came to. */
export interface Summary {
  readonly rounds: number;
  readonly rows: readonly Row[];
  readonly tables: readonly Table[];
  readonly targets: readonly Target[];
}

/** One subject in one setup with one number of volumes. */
export interface Row {
  readonly setup: Setup;
  readonly volumes: number;
  readonly subject: Subject;
  readonly wallMs: Spread;
  readonly cpuMs: Spread;
  readonly peakMb: Spread;
  /** Its wall time as a multiple of that of `chroot ROOTFS mount` with as many volumes. */
  readonly wallToChroot: number;
}

/** The mount table of one setup with one number of volumes. */
export type Table = Omit<Series, 'samples'>;

/** A limit from the project's issue on the benchmark, and the figure it was compared with. */
export interface Target {
  readonly title: string;
  readonly limit: number;
  readonly figure: number;
  readonly isReached: boolean;
}

/** Of what kubelet calls. The most volumes may cost at most `growth` times the fewest. */
const limits = { wall: 1.05, instructions: 4, peakMb: 5, cold: 3, growth: 1.3 } as const;

/** Of the full executable, as a multiple of `true`: nearly all of it is its runtime's start. */
const limitsToTrue = { prepare: 100, status: 150, doctor: 250 } as const;

/** @param series in ascending order of volumes in each setup; that of chroot, at least. */
export function summarize(rounds: number, series: readonly Series[]): Summary {
  const rows = series.flatMap((one) => rowsOf(one, series));
  const tables = series.map(({ samples: _, ...table }) => table);
  return { rounds, rows, tables, targets: [...targetsOf(rows, tables), ...targetsToTrue(rows)] };
}

/** The setups that could not have as many volumes as others: fs.mount-max limits a mount table. */
export function outgrown(
  tables: readonly Table[],
): readonly { readonly setup: Setup; readonly volumes: number }[] {
  const most = Math.max(...tables.map(({ volumes }) => volumes));
  return [...new Set(tables.map(({ setup }) => setup))]
    .filter((setup) => !tables.some((table) => table.setup === setup && table.volumes === most))
    .map((setup) => ({ setup, volumes: most }));
}

function rowsOf({ setup, volumes, samples }: Series, all: readonly Series[]): readonly Row[] {
  const base = all.find((one) => one.setup === 'chroot' && one.volumes === volumes)?.samples ?? [];
  return subjects.flatMap((subject) => {
    const own = samples.filter((sample) => sample.subject === subject);
    if (own.length === 0) return [];
    return {
      setup,
      volumes,
      subject,
      wallMs: spreadOf(own.map(({ wallMs }) => wallMs)),
      cpuMs: spreadOf(own.map(({ cpuMs }) => cpuMs)),
      peakMb: spreadOf(own.map(({ peakMb }) => peakMb)),
      wallToChroot: ratio(
        own,
        base.filter((sample) => sample.subject === 'chroot'),
        measuredTogether.includes(setup),
      ),
    };
  });
}

/** Round by round where both were taken in the same ones: what slows the machine down slows down both. */
function ratio(own: readonly Sample[], others: readonly Sample[], isSameRun: boolean): number {
  if (others.length === 0) return Number.NaN;
  return isSameRun ? spreadOf(ratiosByRound(own, others)).median : medianMs(own) / medianMs(others);
}

/** What each of `own` took as a multiple of that of `others` in the same round. */
export function ratiosByRound(own: readonly Sample[], others: readonly Sample[]): readonly number[] {
  const wallMs = new Map(others.map((sample) => [sample.round, sample.wallMs]));
  return own.map((sample) => sample.wallMs / (wallMs.get(sample.round) ?? Number.NaN));
}

function medianMs(samples: readonly Sample[]): number {
  return spreadOf(samples.map(({ wallMs }) => wallMs)).median;
}

/** Where they were measured. */
function targetsToTrue(rows: readonly Row[]): readonly Target[] {
  return (['prepare', 'status', 'doctor'] as const).flatMap((subject) => {
    const figures = rows
      .filter((row) => row.subject === subject)
      .map(({ setup, volumes, wallMs }) => {
        const base = rows.find(
          (row) => row.subject === 'true' && row.setup === setup && row.volumes === volumes,
        );
        return wallMs.median / (base?.wallMs.median ?? Number.NaN);
      });
    const title = `mounter ${subject}: wall time as a multiple of true`;
    // The fewest volumes: doctor and status look at each.
    return figures.length === 0 ? [] : [target(title, limitsToTrue[subject], figures.slice(0, 1))];
  });
}

function targetsOf(rows: readonly Row[], tables: readonly Table[]): readonly Target[] {
  return (['chroot', 'attach'] as const).flatMap((setup) => {
    const of = (subject: Subject) => rows.filter((row) => row.setup === setup && row.subject === subject);
    const [mounter, cold] = [of('mounter'), of('mounterCold')];
    const [fewest, most] = [mounter[0], mounter.at(-1)];
    if (fewest === undefined || most === undefined) return [];
    const coldToWarm = cold.map(
      (row, index) => row.wallMs.median / (mounter[index]?.wallMs.median ?? Number.NaN),
    );
    const instructions = tables.flatMap((table) =>
      table.setup === setup && table.instructions !== undefined ? [table.instructions / 1e6] : [],
    );
    const targets = [
      ...(instructions.length === 0
        ? []
        : [target(`${setup}: million instructions of a call`, limits.instructions, instructions)]),
      target(
        `${setup}: wall time as a multiple of chroot ROOTFS mount`,
        limits.wall,
        mounter.map((row) => row.wallToChroot),
      ),
      target(
        `${setup}: peak memory in MB`,
        limits.peakMb,
        mounter.map((row) => row.peakMb.maximum),
      ),
      target(`${setup}: read from disk, as a multiple of warm`, limits.cold, coldToWarm),
    ];
    if (fewest === most) return targets;
    const title = `${setup}: wall time with ${most.volumes} volumes as a multiple of that with ${fewest.volumes}`;
    return [...targets, target(title, limits.growth, [most.wallMs.median / fewest.wallMs.median])];
  });
}

/** The worst of `figures` counts. */
export function target(title: string, limit: number, figures: readonly number[]): Target {
  const figure = Math.max(...figures);
  return { title, limit, figure, isReached: figure <= limit };
}
