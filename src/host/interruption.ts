import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs `action`; a signal to end is an error like any other then, so that main.ts ends the process and what
 * hangs on the process's exit is done.
 * @throws MounterError (interrupted); `action` is then still at work.
 */
export async function untilInterrupted<T>(action: () => Promise<T>): Promise<T> {
  let interrupt = () => {};
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = () => reject(interruption());
  });
  for (const signal of signals) process.on(signal, interrupt);
  try {
    return await Promise.race([action(), interrupted]);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

function interruption(): MounterError {
  return new MounterError('interrupted', {
    status: exitCode.interrupted,
    hint: 'run it again: it goes on from where it was',
  });
}
