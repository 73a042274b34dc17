/** Several blobs at once, in order; each digest once. */
export class Downloads {
  readonly #results = new Map<string, PromiseWithResolvers<string>>();
  readonly #workers: Promise<unknown>;
  #failure: { readonly error: unknown } | undefined;

  /**
   * @param fetch brings one to the disk and returns its path.
   * @param onFailure of the first that fails: is to end the others.
   */
  constructor(
    digests: Iterable<string>,
    atOnce: number,
    fetch: (digest: string) => Promise<string>,
    onFailure: (error: unknown) => void,
  ) {
    for (const digest of digests) {
      const result = Promise.withResolvers<string>();
      // Nobody may ever ask for it, and an unhandled rejection would end the process.
      result.promise.catch(() => {});
      this.#results.set(digest, result);
    }
    const queue = [...this.#results];
    const work = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        await this.#fetchOne(...next, fetch, onFailure);
    };
    this.#workers = Promise.all(Array.from({ length: atOnce }, work));
  }

  async #fetchOne(
    digest: string,
    result: PromiseWithResolvers<string>,
    fetch: (digest: string) => Promise<string>,
    onFailure: (error: unknown) => void,
  ): Promise<void> {
    try {
      if (this.#failure !== undefined) throw this.#failure.error;
      result.resolve(await fetch(digest));
    } catch (error) {
      if (this.#failure === undefined) {
        this.#failure = { error };
        onFailure(error);
      }
      // The downloads that were aborted fail for the reason of the first, not because they were aborted.
      result.reject(this.#failure.error);
    }
  }

  /** The path of the blob, once it is there. @throws what ended the first that failed. */
  async path(digest: string): Promise<string> {
    const result = this.#results.get(digest);
    if (result === undefined) throw new Error(`no such download: ${digest}`);
    return await result.promise;
  }

  /** When nothing downloads any more. */
  async settled(): Promise<void> {
    await this.#workers;
  }
}
