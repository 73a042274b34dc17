import * as system from 'system-calls';
import { loop } from './globals.ts';
import { pollEvents } from './loop.ts';
import { checked, systemError } from './system-error.ts';

/**
 * Signals as a descriptor to read: SIGCHLD tells that a child has ended, the others that we are to end. They are
 * blocked from the first command or `holdInterruptions` on; before that a signal ends us as it would any program.
 */

/** @see signal(7); on every architecture that we build for. */
const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15, SIGCHLD: 17 } as const;

interface Interruption {
  readonly received: Promise<void>;
  ignore(): void;
}

const interrupted = new Set<() => void>();
const children = new Map<number, (status: number) => void>();
let signals: number | undefined;
let isReceived = false;

/** From now on a signal to end us is no end of ours. @throws Error as node:fs when no descriptor is left. */
export function listenForInterruption(): Interruption {
  open();
  let interrupt = () => {};
  const received = new Promise<void>((resolve) => {
    interrupt = resolve;
  });
  interrupted.add(interrupt);
  return { received, ignore: () => void interrupted.delete(interrupt) };
}

/** From now on a signal ends nothing by itself but what `Host.run` runs. @returns what tells whether one has come. */
export function holdInterruptions(): () => boolean {
  const fd = open();
  return () => {
    readSignals(fd);
    return isReceived;
  };
}

function open(): number {
  if (signals !== undefined) return signals;
  const fd = checked('signalfd', undefined, system.openSignals());
  // A command that runs has a deadline: that is waited for.
  loop.watch(fd, pollEvents.readable, () => readSignals(fd), false);
  signals = fd;
  return fd;
}

function readSignals(fd: number): void {
  for (;;) {
    const signal = system.readSignal(fd);
    if (signal < 0) return;
    if (signal === signalNumbers.SIGCHLD) reapChildren();
    else interruptAll();
  }
}

function interruptAll(): void {
  isReceived = true;
  for (const interrupt of interrupted) interrupt();
}

/** Of several that ended together there may be one SIGCHLD. */
function reapChildren(): void {
  for (const [pid, resolve] of children) {
    const waited = system.reap(pid);
    if (waited === -1) continue;
    children.delete(pid);
    // Somebody else has reaped it: nobody can tell how it ended.
    resolve(waited < 0 ? 128 + signalNumbers.SIGKILL : system.statusOf(waited));
  }
}

/** @returns the exit status of our child, started after `listenForInterruption`. */
export function endOf(pid: number): Promise<number> {
  return new Promise((resolve) => {
    children.set(pid, resolve);
  });
}

/** `Host.kill` */
export function kill(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  const result = system.kill(pid, signalNumbers[signal]);
  if (result < 0 && system.errorNames(-result)[0] !== 'ESRCH') throw systemError('kill', undefined, -result);
}
