import { execa } from 'execa';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { findProgram } from './programs.ts';
import { notStarted } from './run-program.ts';

/** The status of flock(1) when it waited in vain; another when the file can't be opened or locked. */
const timedOut = 1;

/**
 * Runs `action` while holding flock(2) on the file `path`, which is made if need be. flock(1) holds it around a cat(1)
 * that lives as long as our end of its stdin, so it is released however we end.
 * @param path in a directory that nobody else can look into: whoever can open a file can hold its lock.
 * @throws MounterError (system) when another process holds it for longer than `waitSeconds`.
 */
export async function withFileLock<T>(
  path: string,
  waitSeconds: number,
  action: () => Promise<T>,
): Promise<T> {
  const holder = startHolder(path, waitSeconds);
  // EPIPE when flock gives up; what it said then follows.
  holder.stdin.on('error', () => {});
  holder.stdin.write('locked\n');
  const isLocked = await new Promise<boolean>((resolve) => {
    holder.stdout.once('data', () => resolve(true));
    void holder.then(() => resolve(false));
  });
  if (!isLocked) {
    const { exitCode: status, stderr } = await holder;
    throw status === timedOut ? heldByOther(path, waitSeconds) : notLockable(path, stderr);
  }
  try {
    return await action();
  } finally {
    holder.stdin.end();
    await holder;
  }
}

function startHolder(path: string, waitSeconds: number) {
  try {
    return execa(findProgram('flock'), ['-w', String(waitSeconds), path, findProgram('cat')], {
      cwd: '/',
      stdin: 'pipe',
      stdout: 'pipe',
      // Not ours: it would keep our caller's pipe open for as long as it waits.
      stderr: 'pipe',
      reject: false,
      // A Ctrl-C is for us: were the holder ended by it, the lock would go before we do.
      detached: true,
    });
  } catch (error) {
    throw error instanceof MounterError ? error : notStarted('flock', error);
  }
}

function heldByOther(path: string, waitSeconds: number): MounterError {
  return new MounterError(`another mounter holds this lock for more than ${waitSeconds} s`, {
    subject: path,
    status: exitCode.system,
    hint: 'wait for it to end, then try again',
  });
}

function notLockable(path: string, helperOutput: string): MounterError {
  return new MounterError('cannot be locked', { subject: path, status: exitCode.system, helperOutput });
}
