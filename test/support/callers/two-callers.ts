import type { NodeRemains } from '../node/remains.ts';
import type { CallEnd, Caller } from './callers.ts';
import {
  leftOnce,
  type MountedKind,
  makeCalls,
  mountedInTheEnd,
  mountWords,
  nextCallFaults,
  type Place,
  targetFor,
} from './mounting-place.ts';

/** How one of two calls for one target ends, if the other one lets it. */
const fates = ['succeeds', 'fails', 'is slow', 'is terminated', 'is killed'] as const;
export type Fate = (typeof fates)[number];

export interface Pair {
  readonly fates: readonly [Fate, Fate];
  readonly hasOtherSource: boolean;
}

/** Every two of them, with one source and with two. */
export const pairs: readonly Pair[] = fates.flatMap((first, index) =>
  fates
    .slice(index)
    .flatMap((second) =>
      [false, true].map((hasOtherSource): Pair => ({ fates: [first, second], hasOtherSource })),
    ),
);

export function describePair({ fates: [first, second], hasOtherSource }: Pair): string {
  return `one ${first}, one ${second}, ${hasOtherSource ? 'two sources' : 'the same source'}`;
}

export interface Round {
  /** `0 of A, 32 of B: A is mounted`, for a table of what came of it. */
  readonly outcome: string;
  /** What must not be; empty when all is well. */
  readonly wrong: readonly string[];
}

interface Asked {
  readonly fate: Fate;
  readonly source: string;
  readonly caller: Caller;
}

/**
 * Two calls for one target, with a little delay between them by chance. What is mounted then is what the one that
 * reported success asked for, else nothing; nothing else of either is left, and a next call succeeds.
 */
export async function playRound(
  place: Place,
  pair: Pair,
  random: () => number,
  before: NodeRemains,
): Promise<Round> {
  const asked = askedOf(place.kind, pair, random);
  const ends = await makeCalls(
    place,
    asked.map(({ caller }) => caller),
  );
  const target = targetFor(place.kind);
  const { mounted, isAnswering } = await mountedInTheEnd(place, target);
  const wrong = [...wrongEnds(asked, ends), ...wrongMounts(place, asked, ends, mounted)];
  if (mounted.length > 0 && !isAnswering) wrong.push('what is mounted does not answer');
  if (mounted.length > 0) await place.run(['umount', target]);
  wrong.push(...(await leftOnce(place, before)), ...(await nextCallFaults(place, before)));
  return { outcome: describeOutcome(place.kind, asked, ends, mounted), wrong };
}

/** Either of the two may be the first. */
function askedOf(kind: MountedKind, { fates: both, hasOtherSource }: Pair, random: () => number) {
  const delayMs = random() * kind.usualMs;
  const first = random() < 0.5 ? 0 : 1;
  return both.map((fate, index): Asked => {
    const source = kind.sources[hasOtherSource && index === 1 ? 1 : 0];
    const startMs = index === first ? 0 : delayMs;
    return { fate, source, caller: callerOf(kind, fate, source, startMs, random) };
  });
}

function callerOf(
  kind: MountedKind,
  fate: Fate,
  source: string,
  startMs: number,
  random: () => number,
): Caller {
  if (fate === 'is killed') return { ...endedCaller(kind, source, 'SIGKILL', random), startMs };
  if (fate === 'is terminated') return { ...endedCaller(kind, source, 'SIGTERM', random), startMs };
  return { argv: mountWords(kind, source, kind.options(fate) ?? '', targetFor(kind)), startMs };
}

/** Ended anywhere in its work: half of the time and more in what takes longest. */
export function endedCaller(
  kind: MountedKind,
  source: string,
  name: 'SIGTERM' | 'SIGKILL',
  random: () => number,
): Caller {
  const behaviours = (['succeeds', 'is slow', 'waits'] as const).filter(
    (one) => kind.options(one) !== undefined,
  );
  const behaviour = behaviours[Math.floor(random() * behaviours.length)] ?? 'succeeds';
  const milliseconds = kind.usualMs * 1.3 + (behaviour === 'succeeds' ? 0 : 200);
  return {
    argv: mountWords(kind, source, kind.options(behaviour) ?? '', targetFor(kind)),
    startMs: 0,
    signal: { name, afterMs: random() * milliseconds },
  };
}

const allowedStatuses: readonly number[] = [0, 1, 2, 8, 32];
/** Before it can take its signals, and always. */
const byTermination = 128 + 15;
const byKill = 128 + 9;

function wrongEnds(asked: readonly Asked[], ends: readonly CallEnd[]): string[] {
  return asked.flatMap(({ fate }, index) => {
    const { status, output } = ends[index] ?? { status: Number.NaN, output: '' };
    if (fate === 'is killed' && status === byKill) return [];
    if (fate === 'is terminated' && status === byTermination) return [];
    return [
      ...(allowedStatuses.includes(status) ? [] : [`status ${status} of the one that ${fate}: ${output}`]),
      ...(status === 0 || output.startsWith('mounter: ') ? [] : [`no message: ${output}`]),
      ...(/internal error/.test(output) ? [output] : []),
    ];
  });
}

function wrongMounts(
  { kind, entriesPerVolume }: Place,
  asked: readonly Asked[],
  ends: readonly CallEnd[],
  mounted: readonly string[],
): string[] {
  const [source] = mounted;
  const isOneMount = mounted.length === entriesPerVolume && mounted.every((one) => one === source);
  const winners = asked.filter((_, index) => ends[index]?.status === 0);
  const mayHaveMounted = asked.filter((_, index) => [0, byKill].includes(ends[index]?.status ?? -1));
  return [
    ...(mounted.length === 0 || isOneMount ? [] : [`mounted: ${mounted.join(', ')}`]),
    ...winners
      .filter((winner) => winner.source !== source)
      .map((winner) => `success for ${winner.source}, and mounted: ${source ?? 'nothing'}`),
    ...(source === undefined || mayHaveMounted.some((one) => one.source === source)
      ? []
      : [`no success, and mounted: ${source}`]),
    ...asked.flatMap((one, index) => {
      const isHealthy = one.fate === 'succeeds' || one.fate === 'is slow';
      const { status = Number.NaN, output = '' } = ends[index] ?? {};
      if (!isHealthy || status === 0) return [];
      const isTaken = source !== undefined && (source !== one.source || !kind.knowsItsOwn);
      return isTaken ? [] : [`nothing stood in the way of the one that ${one.fate}: ${output}`];
    }),
  ];
}

function describeOutcome(
  kind: MountedKind,
  asked: readonly Asked[],
  ends: readonly CallEnd[],
  mounted: readonly string[],
): string {
  const letter = (source: string) => (source === kind.sources[0] ? 'A' : 'B');
  const calls = asked.map(({ source }, index) => `${ends[index]?.status} of ${letter(source)}`);
  const [source] = mounted;
  return `${calls.join(', ')}: ${source === undefined ? 'nothing' : letter(source)} is mounted`;
}
