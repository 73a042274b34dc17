import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';

/** A Pod's program that writes to its volume all the time, each write as far as the server. */
export class Writer {
  readonly #process: ChildProcess;
  readonly #counts: string;
  readonly #end: string;

  private constructor(process: ChildProcess, directory: string) {
    this.#process = process;
    this.#counts = `${directory}/written`;
    this.#end = `${directory}/end`;
  }

  /**
   * @param enter a command prefix that enters the node.
   * @param directory for its own files, and `seenAs` as the node sees it.
   */
  static start(enter: readonly string[], target: string, directory: string, seenAs = directory): Writer {
    const script = `while ! [ -e "$1/end" ]; do
  if echo x | dd of="$2/file" oflag=append conv=notrunc,fsync status=none; then echo written; else echo failed; fi
  sleep 0.02
done >"$1/written"`;
    const [program = '', ...args] = [...enter, 'sh', '-c', script, 'sh', seenAs, target];
    return new Writer(spawn(program, args, { stdio: 'ignore' }), directory);
  }

  async end(): Promise<{ readonly written: number; readonly failed: number }> {
    const ended = once(this.#process, 'exit');
    writeFileSync(this.#end, '');
    await ended;
    const lines = readFileSync(this.#counts, 'utf8').split('\n');
    const count = (word: string) => lines.filter((line) => line === word).length;
    return { written: count('written'), failed: count('failed') };
  }
}
