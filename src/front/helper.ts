import * as system from 'system-calls';
import { capabilityBits } from '../host/capabilities.ts';
import type { Guardian, HelperCommand, HelperRun } from '../host/mount-host.ts';
import { startChild, variablesOf } from './child.ts';
import { loop } from './globals.ts';
import { startGuarded } from './guardian.ts';
import { pollEvents } from './loop.ts';
import { runCommand, type StartedChild } from './run-command.ts';
import { checked } from './system-error.ts';

/** `MountHost.runHelper` */
export async function runHelper(command: HelperCommand): Promise<HelperRun> {
  let guardian: Guardian | undefined;
  const start = async (_: unknown, output: number): Promise<StartedChild> => {
    const notice = command.onNotice === undefined ? undefined : listen(command.onNotice);
    const spawn = spawnOf(command, output, notice?.descriptor ?? -1);
    try {
      if (!command.leavesDaemon) return startChild(spawn, command.site);
      const guarded = await startGuarded(spawn, command.site);
      guardian = guarded;
      return guarded;
    } finally {
      notice?.begin();
    }
  };
  try {
    const outcome = await runCommand(command, start);
    return { ...outcome, guardian };
  } catch (error) {
    await guardian?.end();
    throw error;
  }
}

function spawnOf(
  { argv, site, privileges, environment }: HelperCommand,
  output: number,
  notice: number,
): system.SpawnArguments {
  const root = site.kind === 'chroot' ? site.directory : '';
  const namespace = site.kind === 'apart' ? site.namespace : -1;
  const kept = privileges && capabilityBits(privileges.capabilities);
  return [
    argv,
    variablesOf(environment),
    root,
    [namespace, -1, output, notice],
    [kept ?? -1, privileges?.user ?? 0, privileges?.group ?? 0],
  ];
}

/** A pipe whose other end the helper has: what is written to it is no more than a notice. */
function listen(onNotice: () => void): { readonly descriptor: number; begin(): void } {
  const [from = -1, to = -1] = checked('pipe', undefined, system.pipe());
  const unwatch = loop.watch(
    from,
    pollEvents.readable,
    () => {
      const count = system.drain(from);
      if (count > 0) onNotice();
      else if (count === 0 || system.errorNames(-count)[0] !== 'EAGAIN') {
        unwatch();
        system.close(from);
      }
    },
    false,
  );
  // Ours would keep the pipe from ending with the last process that has it.
  return { descriptor: to, begin: () => void system.close(to) };
}
