import { MounterError, printable, printableLines } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { callerMark } from '../host/child.ts';
import type { Host } from '../host/host.ts';
import { holdInterruptions } from '../host/interruption.ts';
import { type HelperName, parseHelperArguments, parseMountArguments } from '../mount/argv.ts';
import type { MountContext } from '../mount/context.ts';
import { type MountPlan, planMount } from '../mount/plan.ts';
import { toMountRequest } from '../mount/request.ts';
import { runPlan } from '../mount/run.ts';
import { describePlan, describeStep, planAsJson } from '../mount/show.ts';
import type { Call } from '../record/call.ts';
import type { Layout } from '../rootfs/layout.ts';
import type { NodeSettings } from '../rootfs/manifest.ts';
import { requireRoot } from '../rootfs/node.ts';
import { readSettings } from '../rootfs/settings.ts';
import type { Output } from './output.ts';

/** The names under which the executable is a mount helper for the host's own mount(8). */
export const helperNames: readonly HelperName[] = ['mount.nfs', 'mount.nfs4', 'mount.glusterfs'];

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
  const plan = planMount(request, settings, layout);
  if (args.dryRun) {
    output.out(args.json ? planAsJson(plan) : describePlan(plan));
    return;
  }
  requireRoot(host, 'mounting');
  // Between a helper's success and ours a signal would leave a mount behind that we report as a failure.
  const isInterrupted = holdInterruptions();
  let hasRun = false;
  const report: MountContext['report'] = (step) => {
    if (isInterrupted() && !hasRun) throw interrupted(plan);
    hasRun ||= step.kind === 'runHelper';
    if (args.verbose) output.err(`mounter: ${describeStep(step)}\n`);
    call.begin(step.kind);
    if (step.kind === 'runHelper') call.openRecord();
  };
  for (const notice of plan.notices) output.err(`mounter: ${printable(notice)}\n`);
  const result = await runPlan(plan, { host, layout, manifest: settings, report });
  if (result.wasMounted && args.verbose) output.err(wasMounted(plan));
  if (result.helperOutput !== '') output.err(printableLines(result.helperOutput));
  await call.recordSuccess(result);
}

/** On a node that nothing is installed on, a call that is not in order is told that first. */
async function isTurnedOff(reading: Promise<NodeSettings>): Promise<boolean> {
  try {
    return !(await reading).enabled;
  } catch {
    return false;
  }
}

/** A rootfs whose helper is mounter again, by whatever mistake, would go on for ever. */
function calledByItself(name: string): MounterError {
  return new MounterError('is mounter itself, and it was mounter that called it as a mount helper', {
    subject: name,
    status: exitCode.system,
    hint: 'the rootfs has to hold the real helper: run mounter install SOURCE, and see where MOUNTER_HOME leads',
  });
}

function interrupted({ source, target }: MountPlan): MounterError {
  return new MounterError(`interrupted before ${source} was mounted`, {
    subject: target,
    status: exitCode.interrupted,
  });
}

function wasMounted(plan: MountPlan): string {
  return `mounter: ${plan.target}: ${plan.source} is mounted there already; nothing to do\n`;
}
