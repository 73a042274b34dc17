/** What a run of tests came to, read from its TAP as it arrives. */
export class TapCount {
  #passed = 0;
  #failed = 0;
  #rest = '';
  /** The titles of the tests that failed. */
  readonly failures: string[] = [];

  /** Takes the next piece of output, cut anywhere. */
  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#addLine(line);
  }

  /**
   * The end of the run. A runner that failed without a failed test (it crashed, it found no tests, its
   * machine died) is one failure more: a suite that did not run is not a suite that passed.
   */
  end(exitStatus: number | undefined): { readonly passed: number; readonly failed: number } {
    this.#addLine(this.#rest);
    this.#rest = '';
    const isUnexplained = (exitStatus !== 0 && this.#failed === 0) || this.#passed + this.#failed === 0;
    return { passed: this.#passed, failed: this.#failed + (isUnexplained ? 1 : 0) };
  }

  #addLine(line: string): void {
    if (/^ok \d+/.test(line)) this.#passed += 1;
    const failure = /^not ok \d+(?: - (.*))?/.exec(line);
    if (failure === null) return;
    this.#failed += 1;
    this.failures.push(failure[1] ?? line);
  }
}
