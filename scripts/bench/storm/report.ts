import { type Spread, spreadOf } from '../report/statistics.ts';
import type { Remains } from './left.ts';

/** A storm to make: so many calls to each server. */
export interface Storm {
  readonly name: string;
  readonly healthy: number;
  readonly dead: number;
  /** The dead server is remembered from a call before. */
  readonly isRemembered?: boolean;
  /** Reading the memory of hundreds of processes takes time that the calls then lack. */
  readonly watchesMemory?: boolean;
}

/** What came of it. */
export interface StormReport {
  readonly storm: Storm;
  readonly healthy: Outcome | null;
  readonly dead: Outcome | null;
  /** MB held by all processes together at most; null where it was not watched. */
  readonly peakMb: number | null;
  /** How long all of it took. */
  readonly wholeMs: number;
  /** What there was before the first call, and when all was unmounted again. */
  readonly before: Remains;
  readonly after: Remains;
}

/** The calls to one server. */
export interface Outcome {
  readonly calls: number;
  readonly succeeded: number;
  /** As the record has it: class of failure → how many. */
  readonly failed: Readonly<Record<string, number>>;
  /** How many of them had it from another call. */
  readonly remembered: number;
  readonly wallMs: Spread & { readonly percentile99: number };
  /** What the first call that did not succeed said. */
  readonly firstWords: string | null;
}

export function spreadWithTail(figures: readonly number[]): Outcome['wallMs'] {
  const sorted = figures.toSorted((a, b) => a - b);
  const percentile99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
  return { ...spreadOf(figures), percentile99 };
}
