import { spawn } from 'node:child_process';

/** How a program that keeps credentials answered. What it says on stderr is nobody's: there may be secrets in it. */
export type ProgramAnswer =
  | { readonly stdout: string; readonly status: number }
  /** The end of a sentence about the program. */
  | { readonly why: string };

/** In UTF-16 units. No answer is so long. */
const longestAnswer = 1_000_000;

/**
 * Runs a program with our environment, where helpers of cloud providers find their own settings, in a process group of
 * its own, which is killed at the limit: nothing that it has started keeps us waiting.
 * @param argv the program, looked up in PATH where it is no path, then its arguments.
 */
export function askProgram(
  [program = '', ...args]: readonly string[],
  { input, limitMs, env = {} }: AskOptions,
): Promise<ProgramAnswer> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    });
    const end = () => kill(child.pid);
    process.once('exit', end);
    let isOver = false;
    const answer = (result: ProgramAnswer) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(limit);
      process.off('exit', end);
      if ('why' in result) end();
      child.stdout.destroy();
      resolve(result);
    };
    const limit = setTimeout(() => answer({ why: `no answer within ${limitMs / 1000} s` }), limitMs);
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (stdout.length > longestAnswer) answer({ why: 'answered without an end' });
    });
    child.once('error', () => answer({ why: 'could not be run' }));
    child.once('close', (code) => answer(code === null ? { why: 'was killed' } : { stdout, status: code }));
    // It need not read.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

interface AskOptions {
  readonly input: string;
  readonly limitMs: number;
  /** Beside ours. */
  readonly env?: Readonly<Record<string, string>>;
}

function kill(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
