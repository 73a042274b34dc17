import type { RetryPolicy } from './retry.ts';

/** A body comes more slowly than the least speed, or takes longer than any may. */
export class SlownessError extends Error {}

/** The clock of one body: each byte may come in time, and all of it never. */
export class Pace {
  readonly #patience: RetryPolicy;
  /** Since the body began, and since what is counted now began; no moment in which its reader was at work. */
  #waitedMs = 0;
  #countedMs = 0;
  #countedBytes = 0;

  constructor(patience: RetryPolicy) {
    this.#patience = patience;
  }

  /**
   * Told of each piece of the body.
   * @param waitedMs how long nothing came before it.
   * @throws SlownessError that says the speed.
   */
  received(bytes: number, waitedMs: number): void {
    const { leastBytes, leastMs, longestMs } = this.#patience;
    this.#waitedMs += waitedMs;
    this.#countedMs += waitedMs;
    this.#countedBytes += bytes;
    if (this.#waitedMs > longestMs) throw new SlownessError(`no end after ${seconds(longestMs)}`);
    if (this.#countedMs < leastMs) return;
    if (this.#countedBytes < leastBytes) throw this.#tooSlow();
    [this.#countedMs, this.#countedBytes] = [0, 0];
  }

  #tooSlow(): SlownessError {
    const { leastBytes, leastMs } = this.#patience;
    const speed = Math.round(this.#countedBytes / (this.#countedMs / 1000));
    const came = `${speed} bytes/s (${this.#countedBytes} bytes in ${seconds(this.#countedMs)})`;
    return new SlownessError(`${came}, where ${leastBytes} bytes in ${seconds(leastMs)} are the least`);
  }
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
