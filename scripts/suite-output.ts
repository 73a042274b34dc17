/**
 * Suites run side by side, and their outputs come one after the other: that of the one that began first as it is
 * written, those of the others when it is their turn.
 */
export class SuiteOutputs {
  readonly #write: (text: string) => void;
  readonly #queue: SuiteOutput[] = [];

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  open(): SuiteOutput {
    const output = new SuiteOutput(() => this.#flush());
    this.#queue.push(output);
    return output;
  }

  /** All that waits for its turn; for the end of this process before that of the suites. */
  flushAll(): void {
    for (const output of this.#queue.splice(0)) {
      output.isEnded = true;
      this.#write(output.take());
    }
  }

  #flush(): void {
    for (let [first] = this.#queue; first !== undefined; [first] = this.#queue) {
      this.#write(first.take());
      if (!first.isEnded) return;
      this.#queue.shift();
    }
  }
}

export class SuiteOutput {
  isEnded = false;
  #text = '';
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  write(text: string): void {
    this.#text += text;
    this.#onChange();
  }

  end(): void {
    this.isEnded = true;
    this.#onChange();
  }

  /** What has not been taken yet; whole lines, since others write between them. */
  take(): string {
    const end = this.isEnded ? this.#text.length : this.#text.lastIndexOf('\n') + 1;
    const text = this.#text.slice(0, end);
    this.#text = this.#text.slice(end);
    return text;
  }
}
