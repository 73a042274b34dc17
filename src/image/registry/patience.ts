/** How long the network may take; all in ms. */
export interface Patience {
  /** Without a byte for so long, a connection is broken. */
  readonly idleMs: number;
  /** After failures that brought nothing new; a break after new bytes costs none. */
  readonly retries: number;
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** From the first try of a blob on; then a failure is final, whatever it is. */
  readonly overallMs: number;
}

export const networkPatience: Patience = {
  // Registries that fetch a blob from their own store first are silent for some seconds, not for this long.
  idleMs: 30_000,
  // With the waits below, 16 s in all: a registry or a DNS server that restarts is back by then.
  retries: 6,
  firstWaitMs: 250,
  longestWaitMs: 8_000,
  // 2 GB over 5 Mbit/s take that long.
  overallMs: 3_600_000,
};

/** A mirror is a short cut: one more try within a second, then the next one. */
export function forMirror(patience: Patience): Patience {
  return { ...patience, retries: Math.min(patience.retries, 1) };
}
