/** How long the network may take; all in ms. */
export interface RetryPolicy {
  /** Without an answer, or without a byte of its body, for so long, a connection is broken. */
  readonly idleMs: number;
  /** A connection that brings less than this many bytes of a body in `leastMs` has stalled. */
  readonly leastBytes: number;
  readonly leastMs: number;
  /** From the first to the last byte of one body. */
  readonly longestMs: number;
  /** After failures that brought less than `leastBytes`; a break after more costs none. */
  readonly retries: number;
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** From the first try of a blob on; then a failure is final, whatever it is. */
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
