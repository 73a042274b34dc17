export interface Failure {
  readonly title: string;
  /** The beginning of what the runner says of it, in lines. */
  readonly details: string[];
}

export interface Results {
  /** How many tests. */
  readonly passed: number;
  readonly failures: readonly Failure[];
}

/** So that the reasons of a few failures fit a screen. */
const detailLines = 16;

/** What a run of tests came to, read from its TAP as it arrives. */
export class TapCount {
  #passed = 0;
  #rest = '';
  /** The failure whose details come now, or are to come. */
  #told: Failure | undefined;
  #isInDetails = false;
  readonly failures: Failure[] = [];

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
  end(exitStatus: number | undefined): Results {
    this.#addLine(this.#rest);
    this.#rest = '';
    const isUnexplained = exitStatus !== 0 || this.#passed === 0;
    if (isUnexplained && this.failures.length === 0)
      this.failures.push({ title: `no test failed, but the run: status ${exitStatus}`, details: [] });
    return { passed: this.#passed, failures: this.failures };
  }

  #addLine(line: string): void {
    const result = /^(not )?ok \d+(?: - (.*))?/.exec(line);
    if (result === null) this.#addDetail(line);
    else this.#addResult(result[1] === undefined, result[2] ?? line);
  }

  #addResult(isPassed: boolean, title: string): void {
    this.#told = isPassed ? undefined : { title, details: [] };
    if (this.#told === undefined) this.#passed += 1;
    else this.failures.push(this.#told);
  }

  #addDetail(line: string): void {
    // Before them comes what the test itself has logged.
    if (line === '  ---') this.#isInDetails = true;
    else if (line === '  ...') this.#isInDetails = false;
    else if (this.#isInDetails && this.#told !== undefined && this.#told.details.length < detailLines)
      this.#told.details.push(line.slice(0, 240));
  }
}
