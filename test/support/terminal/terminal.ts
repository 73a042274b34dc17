import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** A program at a terminal of its own, as somebody sits at it. */
export class Terminal implements AsyncDisposable {
  readonly #script: ChildProcess;
  readonly #ended: Promise<unknown>;
  #screen = '';
  #seen = 0;

  /**
   * @param command a line of sh(1).
   * @param columns how wide the terminal is.
   */
  constructor(command: string, environment: Readonly<Record<string, string>> = {}, columns = 80) {
    const words = [
      '--quiet',
      '--return',
      '--command',
      `stty cols ${columns} rows 50; ${command}`,
      '/dev/null',
    ];
    this.#script = spawn('script', words, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', TERM: 'xterm-256color', ...environment },
    });
    this.#ended = once(this.#script, 'close');
    this.#script.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#screen += text;
    });
  }

  /** As if it were typed. */
  type(text: string): void {
    this.#script.stdin?.write(text);
  }

  /** Waits for what matches in what came since the last wait. @throws Error with what came, after 30 s. */
  async until(pattern: RegExp): Promise<string> {
    for (const end = Date.now() + 30_000; Date.now() < end; await pause(20)) {
      const found = pattern.exec(this.#screen.slice(this.#seen));
      if (found === null) continue;
      this.#seen += found.index + found[0].length;
      return found[0];
    }
    throw new Error(`no ${pattern} came, but ${JSON.stringify(this.#screen.slice(this.#seen))}`);
  }

  /** All that the program has written, once it has ended by itself. */
  async all(): Promise<string> {
    await this.#ended;
    return this.#screen.replaceAll('\r\n', '\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid, exitCode } = this.#script;
    const isRunning = exitCode === null;
    const children = isRunning ? readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8') : '';
    this.#script.stdin?.end();
    this.#script.kill('SIGHUP');
    await Promise.race([this.#ended, pause(5000)]);
    // A program that does not end by it: script(1) waits for that, whatever it is sent itself.
    if (this.#script.exitCode === null && this.#script.signalCode === null)
      for (const child of children.match(/\d+/g) ?? []) process.kill(Number(child), 'SIGKILL');
    await this.#ended;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
