import './globals.ts';
import './made-before.ts';

import * as system from 'system-calls';
import { formatError, MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { standardOutput } from '../host/output.ts';
import { asMounterError } from '../host/system-error.ts';
import { helperNameOf } from '../mount/arguments/argv.ts';
import { ownArguments } from './globals.ts';
import { mount } from './mount.ts';
import { checked } from './system-error.ts';

/**
 * The front: what kubelet executes, and the one program that mounts. A call that waits must not hold the memory of a
 * large runtime, and only a process of one thread can do what a mount takes. For every other command the full
 * executable takes its place.
 */
async function main(): Promise<number> {
  const [argv0 = '', ...words] = ownArguments();
  const helperName = helperNameOf(argv0);
  const [command, ...argv] = helperName === undefined ? words : ['mount', ...words];
  if (command === 'mount') return mount(argv, helperName, output);
  if (command === 'volume') return (await import('./volume.ts')).volume(argv, output);
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

const output = standardOutput((fd, text) => void checked('write', undefined, system.write(fd, text)));

system.onStart(() => {
  main()
    .catch((error: unknown) => {
      const shown = asMounterError(error);
      output.err(formatError(shown));
      return shown.status;
    })
    .then((status) => system.exit(output.end(status)));
});
