import { spawn } from 'node:child_process';
import type { Host } from './host.ts';
import { enteringArgv, environment } from './programs.ts';

/** How a program answered. */
export interface BoundedResult {
  /** 128 + 9 when a signal ended it, 127 when it could not be started. */
  readonly status: number;
  /** Its stdout and stderr as they came. */
  readonly output: string;
}

/** @returns undefined when there was no answer within the limit, or no end of it. */
export type RunBounded = (argv: readonly string[], limitMs: number) => Promise<BoundedResult | undefined>;

/**
 * Runs a program for its answer, in a process group of its own. At the limit, and when we end, all of it gets SIGKILL
 * and is left to itself: what waits in the kernel for a dead server may not die of that.
 * Not for what leaves a daemon behind, which would keep the pipe open.
 * @param argv the program's absolute path, then its arguments.
 */
export const runBounded: RunBounded = (argv, limitMs) => {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    cwd: '/',
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const end = () => abandon(child.pid);
  process.once('exit', end);
  return new Promise((resolve) => {
    let output = '';
    const giveUp = () => {
      clearTimeout(limit);
      end();
      process.off('exit', end);
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      resolve(undefined);
    };
    const limit = setTimeout(giveUp, limitMs);
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (output.length > maximumOutput) giveUp();
      });
    const answer = (status: number) => {
      clearTimeout(limit);
      process.off('exit', end);
      resolve({ status, output });
    };
    child.once('error', (error) => {
      output += error.message;
      answer(127);
    });
    child.once('close', (code) => answer(code ?? 128 + 9));
  });
};

/** In UTF-16 units: more than thousands of volumes have to say. What is longer fills the memory of the node. */
const maximumOutput = 16 * 1024 * 1024;

/** Two that ask the same are told the same, by the limit of the first. */
export function askedOnce(run: RunBounded): RunBounded {
  const answers = new Map<string, ReturnType<RunBounded>>();
  return (argv, limitMs) => {
    const question = argv.join('\0');
    const answer = answers.get(question) ?? run(argv, limitMs);
    answers.set(question, answer);
    return answer;
  };
}

/** `Host.run` of a command that is no more than a question: at its deadline it is over at once. */
export function runBy(run: RunBounded): Host['run'] {
  return async ({ argv, inside, deadlineMs }) => {
    const answer = await run(inside === undefined ? argv : enteringArgv(inside, argv), deadlineMs);
    return answer === undefined
      ? { status: 128 + 9, output: '', endedBy: 'deadline' }
      : { ...answer, endedBy: 'itself' };
  };
}

function abandon(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
