import { setTimeout } from 'node:timers/promises';
import pRetry from 'p-retry';
import type { MounterError } from '../../errors.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** A failure that may be gone at the next try. All others end the download at once. */
export class Transient extends Error {
  /** What the operator reads when it does not go away. */
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
 * @param onRetry is told why.
 * @throws what `action` throws; of a Transient, its `failure`.
 */
export async function retrying<T>(
  action: () => Promise<T>,
  patience: RetryPolicy,
  signal: AbortSignal,
  onRetry: (message: string) => void,
): Promise<T> {
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
        if (!(error instanceof Transient) || retriesLeft === 0) return;
        // A server that asks for more than we have is not asked again.
        if (error.waitMs > patience.overallMs) throw error.failure;
        onRetry(`${error.message}; trying again`);
        if (error.waitMs > 0) await setTimeout(error.waitMs, undefined, { signal });
      },
    });
  } catch (error) {
    throw error instanceof Transient ? error.failure : error;
  }
}
