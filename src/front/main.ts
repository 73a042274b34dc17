import './globals.ts';

import * as system from 'system-calls';
import { calledByItself } from '../commands/called-by-itself.ts';
import { carryOut } from '../commands/carry-out.ts';
import type { Output } from '../commands/output.ts';
import { formatError, MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { callerMark } from '../host/child-environment.ts';
import { asMounterError } from '../host/system-error.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import {
  type HelperName,
  helperNameOf,
  type MountArguments,
  parseHelperArguments,
  parseMountArguments,
} from '../mount/arguments/argv.ts';
import { toMountRequest } from '../mount/arguments/request.ts';
import { planMount } from '../mount/plan.ts';
import type { Layout } from '../node/layout.ts';
import { findLayout, requireRoot } from '../node/node.ts';
import { offFile, whyOff } from '../node/off.ts';
import { storedSettings } from '../node/settings.ts';
import { Call } from '../record/call.ts';
import { levelOf, recordLine } from '../record/line.ts';
import { namespaceOutsideKubeletChroot } from '../rootfs/kubelet-chroot.ts';
import { findFullAt, fullExecutable, ownExecutable } from './full.ts';
import { ownArguments } from './globals.ts';
import { frontHost } from './host.ts';
import { openRecord } from './record.ts';
import { holdInterruptions } from './signals.ts';

/**
 * The front: what kubelet executes, and the one program that mounts, from the first step to the explanation of a
 * failure: for a call that waits must not hold the memory of a large runtime, and only a process of one thread can
 * do what a mount takes. Everything else is the full executable's, which takes this process's place; a mount for
 * which it has read the manifest it hands back.
 */
async function main(): Promise<number> {
  const [argv0 = '', ...words] = ownArguments();
  const helperName = helperNameOf(argv0);
  const [command = '', ...argv] = helperName === undefined ? words : ['mount', ...words];
  if (command !== 'mount') return handOver(command, argv, helperName);
  const call = new Call(command, helperName, { now: system.now, pid: process.pid, open: openRecord });
  try {
    if (system.variable(callerMark) !== undefined) throw calledByItself(helperName ?? command);
    const { layout, settings } = findNode();
    const why = whyOff(frontHost, layout, settings);
    if (why !== undefined) {
      // Not by the full executable: it may be broken, which is no matter for the host's mount(8).
      const { mountByHost } = await import('../commands/turned-off.ts');
      return await mountByHost(helperName, layout, frontHost, why, replaceByHost);
    }
    if (settings === undefined) return await handOver(command, argv, helperName);
    call.place = settings.log;
    const args =
      helperName === undefined ? parseMountArguments(argv) : parseHelperArguments(helperName, argv);
    if (args.help) return await handOver(command, argv, helperName);
    await mount(args, layout, settings, call);
    return 0;
  } catch (error) {
    return fail(asMounterError(error), argv, call);
  }
}

interface Node {
  readonly layout: Layout;
  /** Undefined where there are none that were checked, or the manifest has changed since: the full executable reads it. */
  readonly settings: NodeSettings | undefined;
}

function findNode(): Node {
  const executable = ownExecutable();
  const wayOut = namespaceOutsideKubeletChroot(frontHost);
  if (wayOut !== undefined) leaveKubeletChroot(wayOut);
  const layout = findLayout(frontHost, executable, process.env);
  if (wayOut !== undefined) findFullAt(layout.fullExecutable);
  const given = system.variable('MOUNTER_SETTINGS');
  return { layout, settings: given === undefined ? checkedSettings(layout) : JSON.parse(given) };
}

/** Where the mounter is off by a file, it is no matter that they cannot be read. */
function checkedSettings(layout: Layout): NodeSettings | undefined {
  try {
    return storedSettings(frontHost, layout);
  } catch (error) {
    if (offFile(frontHost, layout) === undefined) throw error;
    return undefined;
  }
}

function leaveKubeletChroot(namespace: string): void {
  const result = system.enterNamespace(namespace);
  if (result >= 0) return;
  const [code, description] = system.errorNames(-result);
  throw new MounterError(`the host's mount namespace cannot be entered: ${code}: ${description}`, {
    subject: namespace,
    status: 2,
    hint: 'a mounter that a kubelet in an image calls needs CAP_SYS_ADMIN and CAP_SYS_CHROOT, as that kubelet does',
  });
}

async function mount(
  args: MountArguments,
  layout: Layout,
  settings: NodeSettings,
  call: Call,
): Promise<void> {
  call.about(args);
  const plan = await planMount(toMountRequest(args), settings);
  if (args.dryRun) {
    const { describePlan, planAsJson } = await import('../mount/show.ts');
    standardOutput.out(args.json ? planAsJson(plan) : describePlan(plan));
    return;
  }
  requireRoot(frontHost, 'mounting');
  const isInterrupted = holdInterruptions();
  await carryOut(plan, args, {
    host: frontHost,
    layout,
    settings,
    output: standardOutput,
    call,
    isInterrupted,
  });
}

async function fail(error: MounterError, argv: readonly string[], call: Call): Promise<number> {
  standardOutput.err(formatError(error));
  if (argv.includes('--json'))
    standardOutput.out((await import('../commands/failure-json.ts')).failureAsJson(error));
  call.place ??= (await import('../manifest/record-place.ts')).defaultPlace;
  const record = call.failure(error);
  await call.append(recordLine(record, new Date(), call.pid), levelOf(record));
  return error.status;
}

async function replaceByHost(program: string): Promise<never> {
  const [code] = system.errorNames(-system.replace(program, 1));
  throw new MounterError(`could not be started: ${code}`, {
    subject: program,
    status: exitCode.helperNotExecutable,
    hint: `see whether ${program} runs by itself`,
  });
}

/** @returns only where it can't be started: the exit status. */
async function handOver(
  command: string,
  argv: readonly string[],
  helperName: HelperName | undefined,
): Promise<number> {
  const full = fullExecutable();
  const [, reason] = system.errorNames(-system.replace(full, 0));
  const { withoutFull } = await import('./without-full.ts');
  const error = withoutFull(command, argv, helperName, full, reason);
  standardOutput.err(formatError(error));
  return error.status;
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
