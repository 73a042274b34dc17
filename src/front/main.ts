import './globals.ts';
import './made-before.ts';

import * as system from 'system-calls';
import { formatError, MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Output } from '../host/output.ts';
import { asMounterError } from '../host/system-error.ts';
import { helperNameOf } from '../mount/arguments/argv.ts';
import { ownArguments } from './globals.ts';
import { mount } from './mount.ts';

/**
 * The front: what kubelet executes, and the one program that mounts. A call that waits must not hold the memory of a
 * large runtime, and only a process of one thread can do what a mount takes. For every other command the full
 * executable takes its place.
 */
async function main(): Promise<number> {
  const [argv0 = '', ...words] = ownArguments();
  const helperName = helperNameOf(argv0);
  const [command, ...argv] = helperName === undefined ? words : ['mount', ...words];
  if (command === 'mount') return mount(argv, helperName, standardOutput);
  if (command === 'volume') return (await import('./volume.ts')).volume(argv, standardOutput);
  try {
    return (await import('./full.ts')).becomeFull(0);
  } catch (error) {
    throw command === undefined ? noCommand() : error;
  }
}

function noCommand(): MounterError {
  return new MounterError('no command', {
    status: exitCode.usage,
    hint: 'mounter mount -t nfs SERVER:/EXPORT TARGET',
  });
}

const standardOutput: Output = {
  out: (text) => void system.write(1, text),
  err: (text) => void system.write(2, text),
};

system.onStart(() => {
  main().then(system.exit, (error: unknown) => {
    const shown = asMounterError(error);
    standardOutput.err(formatError(shown));
    system.exit(shown.status);
  });
});
