/** What the loop needs of the kernel. */
export interface Waiting {
  /** Monotonic, in ms. */
  now(): number;
  /** poll(2). @param timeoutMs -1 for none. @returns the events that came about; a negative errno when it failed. */
  poll(fds: readonly number[], events: readonly number[], timeoutMs: number): readonly number[] | number;
}

export interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

interface Watcher {
  readonly fd: number;
  readonly events: number;
  readonly callback: () => void;
  readonly isAwaited: boolean;
}

/** @see poll(2) */
export const pollEvents = { readable: 1, writable: 4 } as const;

/** What failed for want of memory may go well a moment later. */
const retryMs = 20;

/** Where no timer ends a wait that always fails: 2 s of tries. */
const maximumFailures = 100;

/** Timers and descriptors: all that the front ever waits for. */
export class Loop {
  readonly #waiting: Waiting;
  /** How often poll(2) has failed, one time after the other. */
  #failures = 0;
  readonly #timers = new Set<Timer>();
  readonly #watchers = new Set<Watcher>();

  constructor(waiting: Waiting) {
    this.#waiting = waiting;
  }

  setTimer(callback: () => void, milliseconds: number): Timer {
    const timer = { at: this.#waiting.now() + milliseconds, callback };
    this.#timers.add(timer);
    return timer;
  }

  clearTimer(timer: Timer | undefined): void {
    if (timer !== undefined) this.#timers.delete(timer);
  }

  /**
   * Calls back as long as the descriptor is ready.
   * @param isAwaited false for what is no reason to wait by itself.
   * @returns what ends that.
   */
  watch(fd: number, events: number, callback: () => void, isAwaited = true): () => void {
    const watcher = { fd, events, callback, isAwaited };
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
    };
  }

  /**
   * Waits for the next of them, once. Where poll(2) fails it is tried again: to give up would leave children behind.
   * @throws Error when there is nothing to wait for, and where poll(2) goes on failing without a timer.
   */
  turn(): void {
    const watchers = [...this.#watchers];
    const timeoutMs = this.#untilNextTimer();
    if (timeoutMs < 0 && !watchers.some(({ isAwaited }) => isAwaited))
      throw new Error('nothing is left to wait for');
    const ready = this.#waiting.poll(
      watchers.map(({ fd }) => fd),
      watchers.map(({ events }) => events),
      timeoutMs,
    );
    if (typeof ready === 'number') this.#pause(-ready, timeoutMs);
    else this.#callBack(watchers, ready);
    this.#callDueTimers();
  }

  #callBack(watchers: readonly Watcher[], ready: readonly number[]): void {
    this.#failures = 0;
    for (const [index, watcher] of watchers.entries())
      if (ready[index] !== 0 && this.#watchers.has(watcher)) watcher.callback();
  }

  #pause(errno: number, timeoutMs: number): void {
    this.#failures += 1;
    if (timeoutMs < 0 && this.#failures > maximumFailures)
      throw new Error(`poll(2) failed with errno ${errno}`);
    this.#waiting.poll([], [], timeoutMs < 0 ? retryMs : Math.min(retryMs, timeoutMs));
  }

  /** Rounded up, or a timer would find that it is not due yet. */
  #untilNextTimer(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { at } of this.#timers) first = Math.min(first, at);
    if (first === Number.POSITIVE_INFINITY) return -1;
    return Math.min(Math.max(0, Math.ceil(first - this.#waiting.now())), 2 ** 31 - 1);
  }

  /** In the order in which they are due. */
  #callDueTimers(): void {
    const now = this.#waiting.now();
    const due = [...this.#timers].filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
    for (const timer of due) if (this.#timers.delete(timer)) timer.callback();
  }
}

/** What the shared sources use of AbortController; QuickJS has none. @see https://dom.spec.whatwg.org/#aborting-ongoing-activities */
export class AbortControllerOfFront {
  readonly signal = new AbortSignalOfFront();

  abort(): void {
    this.signal.abort();
  }
}

class AbortSignalOfFront {
  aborted = false;
  readonly #listeners = new Set<() => void>();

  /** Only for 'abort', and once: it happens no more often. */
  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener);
  }

  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    for (const listener of this.#listeners) listener();
  }
}
