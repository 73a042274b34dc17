/** What takes long, on stderr: at a terminal one line that changes, elsewhere a line every 10 s. */
export class ProgressLine {
  readonly #write: (text: string) => void;
  readonly #columns: number | undefined;
  readonly #now: () => number;
  #shownAt: number;
  #isDrawn = false;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param columns of the terminal; undefined where there is none.
   * @param now milliseconds.
   */
  constructor(
    write: (text: string) => void,
    columns: number | undefined,
    now: () => number = () => performance.now(),
  ) {
    this.#write = write;
    this.#columns = columns;
    this.#now = now;
    this.#shownAt = columns === undefined ? now() : Number.NEGATIVE_INFINITY;
  }

  /** How far it is. Not each is shown: a terminal over a slow line is to keep up. */
  show(text: string, isLast = false): void {
    clearInterval(this.#timer);
    this.#draw(text, isLast);
  }

  #draw(text: string, isLast: boolean): void {
    const isTerminal = this.#columns !== undefined;
    const isSoon = this.#now() - this.#shownAt < (isTerminal ? redrawMs : lineMs);
    if (isSoon && !(isTerminal && isLast)) return;
    this.#shownAt = this.#now();
    this.#isDrawn = isTerminal;
    this.#write(isTerminal ? `\r${text.slice(0, (this.#columns ?? 1) - 1)}\x1b[K` : `${text}\n`);
  }

  /** A line that stays. */
  say(line: string): void {
    this.#clear();
    this.#write(`${line}\n`);
    if (this.#columns === undefined) this.#shownAt = this.#now();
  }

  /** Something that does not say how far it is: its seconds are counted, until it does or the next begins. */
  begin(text: string): void {
    clearInterval(this.#timer);
    const began = this.#now();
    this.#timer = setInterval(() => {
      const seconds = Math.floor((this.#now() - began) / 1000);
      if (seconds >= worthSaying) this.#draw(`${text}: ${seconds} s`, false);
    }, 1000).unref();
  }

  /** Leaves the terminal as it was. */
  end(): void {
    clearInterval(this.#timer);
    this.#clear();
  }

  #clear(): void {
    if (this.#isDrawn) this.#write('\r\x1b[K');
    this.#isDrawn = false;
    if (this.#columns !== undefined) this.#shownAt = Number.NEGATIVE_INFINITY;
  }
}

const redrawMs = 100;
const lineMs = 10_000;
/** In seconds. */
const worthSaying = 2;

/** Of the terminal that stderr is; undefined where it is none, or one that cannot write over a line. */
export function stderrColumns(): number | undefined {
  const { TERM = 'dumb' } = process.env;
  return process.stderr.isTTY && TERM !== 'dumb' ? process.stderr.columns || 80 : undefined;
}
