import * as system from 'system-calls';
import { AbortControllerOfFront } from './abort.ts';
import { Loop, type Timer } from './loop.ts';

/** What the shared sources find in every JavaScript runtime, and QuickJS does not have by itself. To be imported first. */

export const loop = new Loop(system);

/** As the kernel has it, argv[0] being the first. */
export function ownArguments(): readonly string[] {
  const found: string[] = [];
  for (;;) {
    const next = system.argument(found.length);
    if (next === undefined) return found;
    found.push(next);
  }
}

/** The variables that a mount looks at. */
const env = {
  get MOUNTER_HOME() {
    return system.variable('MOUNTER_HOME');
  },
  get MOUNTER_MANIFEST() {
    return system.variable('MOUNTER_MANIFEST');
  },
  get MOUNTER_SETTINGS() {
    return system.variable('MOUNTER_SETTINGS');
  },
};

Object.assign(globalThis, {
  process: {
    get pid() {
      return system.getpid();
    },
    env,
  },
  setTimeout: (callback: () => void, milliseconds: number) => loop.setTimer(callback, milliseconds),
  clearTimeout: (timer: Timer | undefined) => loop.clearTimer(timer),
  AbortController: AbortControllerOfFront,
});

system.onIdle(() => loop.turn());
