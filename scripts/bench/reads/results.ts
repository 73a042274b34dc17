/** What goes into the guest, and what comes out of it. */

export interface ReadAheadRequest {
  /** Each reading is made so often. */
  readonly rounds: number;
  /** Round trips, by netem; 0: as fast as the guest is. */
  readonly delaysMs: readonly number[];
  readonly readAheadKib: readonly number[];
  /** Of read(2). */
  readonly requestKib: readonly number[];
  /** Files read at once, each by a process of its own. */
  readonly readers: readonly number[];
  /** Mount options, each list read with one read-ahead, and requests of the largest size. */
  readonly options: readonly string[];
  readonly optionsReadAheadKib: number;
}

/** One reading of one or several files. */
export interface ReadSample {
  readonly delayMs: number;
  /** '' for none but the version. */
  readonly options: string;
  readonly readAheadKib: number;
  readonly requestKib: number;
  readonly readers: number;
  /** All readers together. */
  readonly mibPerSecond: number;
}
