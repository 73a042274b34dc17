import { setImmediate } from 'node:timers/promises';

/** A wait, over when the clock has come to `at`. */
interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/**
 * Runs `action` by a clock that stands still but for `sleep`: performance.now() shows it. Nobody waits, and how busy
 * the machine is changes nothing. One at a time in a process: for serial tests.
 */
export async function inVirtualTime<T>(
  action: (sleep: (ms: number) => Promise<void>) => Promise<T>,
): Promise<T> {
  const { now } = performance;
  let clock = now.call(performance);
  const sleepers: Sleeper[] = [];
  const wakeFirst = async (): Promise<void> => {
    // Whatever can be done without waiting is done by then, and its sleepers are there too.
    await setImmediate();
    const first = sleepers.sort((a, b) => a.at - b.at).shift();
    clock = Math.max(clock, first?.at ?? clock);
    first?.wake();
  };
  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      sleepers.push({ at: clock + ms, wake: resolve });
      void wakeFirst();
    });
  performance.now = () => clock;
  try {
    return await action(sleep);
  } finally {
    performance.now = now;
  }
}
