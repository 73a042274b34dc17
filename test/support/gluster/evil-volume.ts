import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { directoryOfThisProcess } from '../node/process-directory.ts';

/** A GlusterFS server that sends its clients what it likes, and a library that shows when it was loaded. */

/** The server, on an address of its own beside the real ones. */
export class VolfileServer implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #file: string;

  private constructor(process: ChildProcess, lines: AsyncIterator<string>, file: string) {
    this.#process = process;
    this.#lines = lines;
    this.#file = file;
  }

  /** @param enter a command prefix that enters the network namespace to serve in. */
  static async start(enter: readonly string[], address: string, volfile: string): Promise<VolfileServer> {
    const file = join(directoryOfThisProcess('volfile-'), 'volfile');
    writeFileSync(file, volfile);
    const script = fileURLToPath(new URL('volfile-server.ts', import.meta.url));
    const [program = '', ...args] = [...enter, process.execPath, script, address, '24007', file];
    const server = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
    const started = new VolfileServer(server, lines, file);
    await started.#expect('ready');
    return started;
  }

  /** What it sends from now on. */
  serve(volfile: string): void {
    writeFileSync(this.#file, volfile);
  }

  /** Sends another one from now on, and tells the one client that has the old one. */
  async change(volfile: string): Promise<void> {
    this.serve(volfile);
    this.#process.stdin?.write('changed\n');
    await this.#expect('told 1');
  }

  async #expect(line: string): Promise<void> {
    const { value } = await this.#lines.next();
    if (value !== line) throw new Error(`the server says ${value}, not ${line}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.stdin?.end();
    await ended;
  }
}

/** A library whose loading makes the file `mark`. It may be called a translator or a transport. */
export async function compileEvil(library: string, mark: string): Promise<void> {
  const source = `
    #include <fcntl.h>
    #include <unistd.h>
    __attribute__((constructor)) static void evil(void) { close(open("${mark}", O_CREAT | O_WRONLY, 0600)); }
  `;
  await execa('gcc', ['-shared', '-fPIC', '-x', 'c', '-', '-o', library], { input: source });
}
