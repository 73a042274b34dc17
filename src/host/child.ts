import { fstatSync, readSync } from 'node:fs';
import { environment } from './child-environment.ts';
import { hostArgv } from './enter.ts';
import type { Command, Outcome } from './host.ts';
import { kill } from './kill.ts';
import { type ChildEngine, type Interruption, runCommand } from './run-command.ts';
import { startChild } from './start-child.ts';

/** Runs a command to its end, within its limit, by the runtime that we are in: Node or bun. */
export function run(command: Command): Promise<Outcome> {
  return runCommand(command, engine);
}

const engine: ChildEngine = {
  start: async (command, output) => {
    const { pid, ended } = await startChild(hostArgv(command), environment, output);
    return { ended, kill: (signal) => kill(-pid, signal) };
  },
  listenForInterruption,
  readEnd,
};

const interruptSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function listenForInterruption(): Interruption {
  let listener = () => {};
  const received = new Promise<void>((resolve) => {
    listener = resolve;
  });
  for (const signal of interruptSignals) process.on(signal, listener);
  return {
    received,
    ignore: () => {
      for (const signal of interruptSignals) process.off(signal, listener);
    },
  };
}

function readEnd(fd: number, maximumBytes: number): string {
  const { size } = fstatSync(fd);
  const length = Math.min(size, maximumBytes);
  if (length === 0) return '';
  const bytes = Buffer.alloc(length);
  readSync(fd, bytes, 0, length, size - length);
  return bytes.toString('utf8');
}
