import { spawn } from 'node:child_process';
import { programDirectories } from './child-environment.ts';

/** How a program answered. */
export interface BoundedResult {
  /** 128 + 9 when a signal ended it, 127 when it could not be started. */
  readonly status: number;
  /** Its stdout and stderr as they came. */
  readonly output: string;
}

/** @returns undefined when there was no answer within the limit. */
export type RunBounded = (argv: readonly string[], limitMs: number) => Promise<BoundedResult | undefined>;

/**
 * Runs a program for its answer, in a process group of its own. At the limit all of it gets SIGKILL and is left
 * to itself: a process that waits in the kernel for a dead server may not die of that, and is not waited for.
 * Not for what leaves a daemon behind, which would keep the pipe open; `Host.run` is.
 * @param argv the program's absolute path, then its arguments.
 */
export const runBounded: RunBounded = (argv, limitMs) => {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    cwd: '/',
    env: { PATH: programDirectories.join(':'), LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  const take = (bytes: Buffer) => {
    output += bytes.toString('utf8');
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  return new Promise((resolve) => {
    const limit = setTimeout(() => {
      abandon(child.pid);
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      resolve(undefined);
    }, limitMs);
    const answer = (status: number) => {
      clearTimeout(limit);
      resolve({ status, output });
    };
    child.once('error', (error) => {
      output += error.message;
      answer(127);
    });
    child.once('close', (code) => answer(code ?? 128 + 9));
  });
};

function abandon(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
