import { closeSync, constants, openSync } from 'node:fs';
import * as system from 'system-calls';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Command } from '../host/host.ts';
import type { StartedChild } from '../host/run-command.ts';
import { startChild } from './child.ts';
import { signalNumbers } from './signals.ts';

/** Somebody else's mount in that directory takes 40 ms and more. */
const pollMs = 10;

/** A child that starts when the lock is ours; the descriptor is not handed on to it. */
export function startLocked(
  command: Command & { readonly lock?: string | undefined },
  output: number | undefined,
): StartedChild {
  let started: StartedChild | undefined;
  let isGivenUp = false;
  const ended = (async () => {
    const fd = openSync(command.lock ?? '/', constants.O_RDONLY);
    try {
      while (!isGivenUp && !isTaken(fd, command.lock))
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      if (isGivenUp) return 128 + signalNumbers.SIGTERM;
      started = startChild(command, output);
      return await started.ended;
    } finally {
      closeSync(fd);
    }
  })();
  const kill: StartedChild['kill'] = (signal) => {
    isGivenUp = true;
    started?.kill(signal);
  };
  return { ended, kill };
}

/** @throws MounterError (system) where the filesystem has no locks. */
function isTaken(fd: number, subject: string | undefined): boolean {
  const result = system.flock(fd);
  if (result === 0) return true;
  const [code, description] = system.errorNames(-result);
  if (code === 'EAGAIN') return false;
  throw new MounterError(`can not be locked: ${description}`, {
    subject,
    status: exitCode.system,
    hint: 'see whether the directory is there, and its filesystem in order',
  });
}
