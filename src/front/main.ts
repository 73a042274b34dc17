import './globals.ts';

import * as system from 'system-calls';
import { carryOut } from '../commands/carry-out.ts';
import type { Output } from '../commands/output.ts';
import { formatError } from '../errors.ts';
import { callerMark } from '../host/run-command.ts';
import { asMounterError } from '../host/system-error.ts';
import {
  type HelperName,
  helperNameOf,
  type MountArguments,
  parseHelperArguments,
  parseMountArguments,
} from '../mount/argv.ts';
import { type MountPlan, planMount } from '../mount/plan.ts';
import { toMountRequest } from '../mount/request.ts';
import { Call } from '../record/call.ts';
import { levelOf, recordLine } from '../record/line.ts';
import type { Layout } from '../rootfs/layout.ts';
import type { NodeSettings } from '../rootfs/manifest.ts';
import { findLayout, requireRoot } from '../rootfs/node.ts';
import { storedSettings } from '../rootfs/settings.ts';
import { wayOutOfKubeletRoot } from '../rootfs/way-out.ts';
import { fullExecutable, ownExecutable } from './full.ts';
import { ownArguments } from './globals.ts';
import { frontHost } from './host.ts';
import { isRecordedHere, openRecord } from './record.ts';
import { holdInterruptions } from './signals.ts';

/**
 * The front: what kubelet executes. A mount that is in order, on a node that is in order, is its own from the
 * first step to the explanation of a failure, for a call that waits must not hold the memory of a large runtime.
 * Everything else it hands over to the full executable, before it has done anything.
 */
async function main(): Promise<number> {
  const [argv0 = '', ...words] = ownArguments;
  const helperName = helperNameOf(argv0);
  const [command = '', ...argv] = helperName === undefined ? words : ['mount', ...words];
  const call = new Call(command, helperName, { now: system.now, pid: process.pid, open: openRecord });
  const mount = command === 'mount' ? mountInOrder(argv, helperName) : undefined;
  if (mount === undefined) return handOver(command, argv, helperName);
  const { plan, args, layout, settings } = mount;
  call.about(args);
  call.place = settings.log;
  try {
    const isInterrupted = holdInterruptions();
    const context = { host: frontHost, layout, settings, output: standardOutput, call, isInterrupted };
    await carryOut(plan, args, context);
    return 0;
  } catch (error) {
    const shown = asMounterError(error);
    standardOutput.err(formatError(shown));
    const record = call.failure(shown);
    await call.append(recordLine(record, new Date(), call.pid), levelOf(record));
    return shown.status;
  }
}

interface Mount {
  readonly plan: MountPlan;
  readonly args: MountArguments;
  readonly layout: Layout;
  readonly settings: NodeSettings;
}

/** @returns undefined for what is another's: a call that only explains, or is to be explained, and a node that is not ready. */
function mountInOrder(argv: readonly string[], helperName: HelperName | undefined): Mount | undefined {
  try {
    if (system.variable(callerMark) !== undefined || wayOutOfKubeletRoot(frontHost) !== undefined)
      return undefined;
    const layout = findLayout(frontHost, ownExecutable(), process.env);
    const settings = storedSettings(frontHost, layout);
    if (settings === undefined || !settings.enabled || !isRecordedHere(settings.log)) return undefined;
    const args =
      helperName === undefined ? parseMountArguments(argv) : parseHelperArguments(helperName, argv);
    if (args.help || args.dryRun || args.json) return undefined;
    const plan = planMount(toMountRequest(args), settings);
    requireRoot(frontHost, 'mounting');
    return { plan, args, layout, settings };
  } catch {
    return undefined;
  }
}

/** @returns only where it can't be started: the exit status. */
async function handOver(
  command: string,
  argv: readonly string[],
  helperName: HelperName | undefined,
): Promise<number> {
  const full = fullExecutable();
  const [, reason] = system.errorNames(-system.replace(full));
  const { withoutFull } = await import('./alone.ts');
  const error = withoutFull(command, argv, helperName, full, reason);
  standardOutput.err(formatError(error));
  return error.status;
}

const standardOutput: Output = {
  out: (text) => void system.write(1, text),
  err: (text) => void system.write(2, text),
};

main().then(system.exit, (error: unknown) => {
  const shown = asMounterError(error);
  standardOutput.err(formatError(shown));
  system.exit(shown.status);
});
