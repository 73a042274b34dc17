import * as system from 'system-calls';
import { fullVariable } from '../host/programs.ts';
import { AbortControllerOfFront, Loop, type Timer } from './loop.ts';

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

/** As it is called in the root directory that we are in; undefined: beside the front; null: not asked yet. */
let full: string | undefined | null = null;

function givenFull(): string | undefined {
  if (full === null) full = system.takeVariable(fullVariable);
  return full;
}

/** The file of this program, or of the full executable that had it in itself, in the root directory it was started in. */
export function ownExecutable(): string {
  return givenFull() ?? linkToItself() ?? system.argument(0) ?? '';
}

function linkToItself(): string | undefined {
  const path = system.readlink('/proc/self/exe');
  return typeof path === 'string' ? path : undefined;
}

export function fullExecutable(): string {
  const given = givenFull();
  if (given !== undefined) return given;
  const own = ownExecutable();
  return `${own.slice(0, own.lastIndexOf('/') + 1)}mounter-full`;
}

/** For a process that has left the root directory that it was started in. */
export function findFullAt(path: string): void {
  full = path;
}

/** The variables that a mount looks at. */
const env = {
  get MOUNTER_HOME() {
    return system.variable('MOUNTER_HOME');
  },
  get MOUNTER_MANIFEST() {
    return system.variable('MOUNTER_MANIFEST');
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
