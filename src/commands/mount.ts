import type { Host } from '../host/host.ts';
import { holdInterruptions } from '../host/interruption.ts';
import { callerMark } from '../host/run-command.ts';
import { type HelperName, parseHelperArguments, parseMountArguments } from '../mount/argv.ts';
import { planMount } from '../mount/plan.ts';
import { toMountRequest } from '../mount/request.ts';
import { describePlan, planAsJson } from '../mount/show.ts';
import type { Call } from '../record/call.ts';
import type { Layout } from '../rootfs/layout.ts';
import type { NodeSettings } from '../rootfs/manifest.ts';
import { requireRoot } from '../rootfs/node.ts';
import { readSettings } from '../rootfs/settings.ts';
import { calledByItself } from './called-by-itself.ts';
import { carryOut } from './carry-out.ts';
import type { Output } from './output.ts';

/**
 * `mounter mount`: argv → request → plan → run.
 * @param helperName set when argv[0] was a helper's name; its argument grammar is another.
 * @throws MounterError
 */
export async function mount(
  argv: readonly string[],
  helperName: HelperName | undefined,
  layout: Layout,
  host: Host,
  output: Output,
  call: Call,
): Promise<void> {
  if (process.env[callerMark] !== undefined) throw calledByItself(helperName ?? 'mount');
  // Before the arguments are read: where the mounter is off, they are the host's mount(8)'s to judge.
  const reading = readSettings(host, layout);
  if (await isTurnedOff(reading)) {
    await (await import('./turned-off.ts')).mountByHost(helperName, layout, host);
  }
  const args = helperName === undefined ? parseMountArguments(argv) : parseHelperArguments(helperName, argv);
  call.about(args);
  if (args.help) {
    output.out((await import('./help.ts')).helpFor('mount'));
    return;
  }
  const request = toMountRequest(args);
  const settings = await reading;
  call.place = settings.log;
  const plan = planMount(request, settings);
  if (args.dryRun) {
    output.out(args.json ? planAsJson(plan) : describePlan(plan));
    return;
  }
  requireRoot(host, 'mounting');
  const isInterrupted = holdInterruptions();
  await carryOut(plan, args, { host, layout, settings, output, call, isInterrupted });
}

/** On a node that nothing is installed on, a call that is not in order is told that first. */
async function isTurnedOff(reading: Promise<NodeSettings>): Promise<boolean> {
  try {
    return !(await reading).enabled;
  } catch {
    return false;
  }
}
