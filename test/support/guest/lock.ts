import { execa } from 'execa';

export interface LockAttempt {
  readonly locked: boolean;
  readonly milliseconds: number;
  /** flock(1)'s complaint, e.g. `flock: 6: No locks available`; empty when it just took too long. */
  readonly stderr: string;
}

/**
 * Takes an exclusive lock on `path` with flock(1), which NFS turns into a lock at the server, and drops it.
 * @param timeoutSeconds much for this guest, whose CPU is emulated; where no lock can be had, it takes a minute.
 */
export async function takeLock(path: string, timeoutSeconds = 20): Promise<LockAttempt> {
  const started = performance.now();
  const result = await execa('flock', ['--timeout', String(timeoutSeconds), path, 'true'], {
    reject: false,
    // flock's own limit does not hold while the kernel waits for statd.
    timeout: timeoutSeconds * 1000 + 500,
    killSignal: 'SIGKILL',
  });
  const milliseconds = Math.round(performance.now() - started);
  return { locked: result.exitCode === 0, milliseconds, stderr: result.stderr };
}
