import { CsiError } from './csi-error.ts';

/** What is to be done for one volume goes one after the other; for others at the same time. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /**
   * @param key nothing else with this key is at work while `task` is.
   * @param signal whoever waits is given up by it, and `task` is not begun then.
   * @throws CsiError (ABORTED) when it was given up; else what `task` throws.
   */
  async take<T>(key: string, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const turn = before.then(() => {
      if (signal.aborted)
        throw new CsiError('ABORTED', `${key}: another call is at work on this volume; it is tried again`);
      return task();
    });
    const settled = turn.catch(() => {});
    this.#last.set(key, settled);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }
}
