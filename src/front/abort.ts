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
