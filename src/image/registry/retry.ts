import { setTimeout } from 'node:timers/promises';
import pRetry from 'p-retry';
import { MounterError } from '../../errors.ts';

/** How long the network may take; all in ms. */
export interface RetryPolicy {
  /** Without an answer, or without a byte of its body, for so long, a connection is broken. */
  readonly idleMs: number;
  /** A connection that brings less than this many bytes of a body in `leastMs` has stalled. */
  readonly leastBytes: number;
  readonly leastMs: number;
  /** From the first to the last byte of one body. */
  readonly longestMs: number;
  /** So many tries after failures. A connection that broke after `leastBytes` or more is not counted. */
  readonly retries: number;
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** Counted from the first try of a blob on; after it any failure is final. */
  readonly overallMs: number;
}

export const networkPatience: RetryPolicy = {
  // Registries that fetch a blob from their own store first are silent for some seconds, not for this long.
  idleMs: 30_000,
  // 2 KiB/s: a hundredth of what a slow line brings. A byte now and then keeps nobody waiting for ever.
  leastBytes: 65_536,
  leastMs: 30_000,
  // At the least speed 30 MB come in it; what is larger and as slow had better be carried there on a disk.
  longestMs: 4 * 3_600_000,
  // With the waits below, 16 s in all: a registry or a DNS server that restarts is back by then.
  retries: 6,
  firstWaitMs: 250,
  longestWaitMs: 8_000,
  // 2 GB over 5 Mbit/s take that long.
  overallMs: 3_600_000,
};

/** A mirror is a short cut: one more try within a second, then the next one. */
export function forMirror(patience: RetryPolicy): RetryPolicy {
  return { ...patience, retries: Math.min(patience.retries, 1) };
}

/** A failure that the next try may not meet. All others end the download at once. */
export class Transient extends Error {
  /** The error that the operator reads when no more tries are left. */
  readonly failure: MounterError;
  /** How long the server asked us to wait (Retry-After). */
  readonly waitMs: number;
  /** Whether it brought us further nevertheless. */
  readonly hasProgressed: boolean;

  constructor(failure: MounterError, waitMs = 0, hasProgressed = false) {
    super(failure.message, { cause: failure });
    this.failure = failure;
    this.waitMs = waitMs;
    this.hasProgressed = hasProgressed;
  }
}

/**
 * Runs `action` again after each Transient, as `patience` says.
 * @param onRetry is told why, once of what comes again and again.
 * @throws what `action` throws; of a Transient, its `failure`, and how often it was tried.
 */
export async function retrying<T>(
  action: () => Promise<T>,
  patience: RetryPolicy,
  signal: AbortSignal,
  onRetry: (message: string) => void,
): Promise<T> {
  let [tries, told] = [0, ''];
  try {
    return await pRetry(action, {
      retries: patience.retries,
      minTimeout: patience.firstWaitMs,
      maxTimeout: patience.longestWaitMs,
      maxRetryTime: patience.overallMs,
      signal,
      shouldRetry: ({ error }) => error instanceof Transient,
      shouldConsumeRetry: ({ error }) => !(error instanceof Transient && error.hasProgressed),
      onFailedAttempt: async ({ error, retriesLeft }) => {
        tries += 1;
        if (!(error instanceof Transient) || retriesLeft === 0) return;
        // A server that asks for more than we have is not asked again.
        if (error.waitMs > patience.overallMs) throw error.failure;
        if (error.message !== told) onRetry(`${error.message}; trying again`);
        told = error.message;
        if (error.waitMs > 0) await setTimeout(error.waitMs, undefined, { signal });
      },
    });
  } catch (error) {
    throw error instanceof Transient ? afterTries(error.failure, tries) : error;
  }
}

function afterTries(failure: MounterError, tries: number): MounterError {
  const message = `${failure.message} (tried ${tries} times)`;
  return tries < 2 ? failure : new MounterError(message, { ...failure, cause: failure.cause });
}
