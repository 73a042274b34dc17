import * as system from 'system-calls';
import { failureAsJson, formatError, MounterError, printable, printableLines } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Output } from '../host/output.ts';
import { callerMark } from '../host/programs.ts';
import { asMounterError } from '../host/system-error.ts';
import {
  type HelperName,
  type MountArguments,
  parseHelperArguments,
  parseMountArguments,
} from '../mount/arguments/argv.ts';
import { toMountRequest } from '../mount/arguments/request.ts';
import { planMount } from '../mount/plan.ts';
import type { MountPlan } from '../mount/plan-data.ts';
import { type RunContext, runPlan } from '../mount/run.ts';
import { describeStep } from '../mount/show.ts';
import type { Layout } from '../node/layout.ts';
import { requireRoot } from '../node/node.ts';
import { offBySettings, offFile } from '../node/off.ts';
import { Call } from '../record/call.ts';
import { frontHost } from './host.ts';
import { currentSettings, findNode } from './node.ts';
import { writeRecord } from './record.ts';
import { holdInterruptions } from './signals.ts';

/**
 * `mounter mount`, told to the caller and to the record.
 * @param helperName set when argv[0] was a helper's name; its argument grammar is another.
 * @returns the exit status. @throws MounterError where it was mounter that called it.
 */
export async function mount(
  argv: readonly string[],
  helperName: HelperName | undefined,
  output: Output,
): Promise<number> {
  // No line in the record: the call that has run us writes one.
  if (system.variable(callerMark) !== undefined) throw calledByItself(helperName ?? 'mount');
  const call = new Call('mount', helperName, { now: system.now, pid: process.pid, write: writeRecord });
  try {
    await judgeAndMount(argv, helperName, output, call);
    return exitCode.success;
  } catch (error) {
    return fail(asMounterError(error), argv, output, call);
  }
}

async function judgeAndMount(
  argv: readonly string[],
  helperName: HelperName | undefined,
  output: Output,
  call: Call,
): Promise<void> {
  const layout = findNode();
  const offBy = offFile(frontHost, layout);
  if (offBy !== undefined) await mountByHost(helperName, layout, offBy);
  const settings = await currentSettings(layout);
  const isRead = !(settings instanceof MounterError);
  // Before the arguments are read: where the mounter is off, they are the host's mount(8)'s to judge.
  const offBySetting = isRead ? offBySettings(frontHost, layout, settings) : undefined;
  if (offBySetting !== undefined) await mountByHost(helperName, layout, offBySetting);
  if (isRead) call.place = settings.log;
  const args = helperName === undefined ? parseMountArguments(argv) : parseHelperArguments(helperName, argv);
  if (args.help) return (await import('./full.ts')).becomeFull(['mounter', 'help', 'mount']);
  call.about(args);
  const request = toMountRequest(args);
  // On a node that nothing is installed on, a call that is not in order is told that first.
  if (!isRead) throw settings;
  const plan = await planMount(request, settings);
  if (args.dryRun) {
    const { describePlan, planAsJson } = await import('../mount/show.ts');
    output.out(args.json ? planAsJson(plan) : describePlan(plan));
    return;
  }
  requireRoot(frontHost, 'mounting');
  await carryOut(plan, args, { host: frontHost, layout, manifest: settings }, output, call);
}

/** A rootfs whose helper is mounter again, by whatever mistake, would go on for ever. */
function calledByItself(name: string): MounterError {
  return new MounterError('is mounter itself, and it was mounter that called it as a mount helper', {
    subject: name,
    status: exitCode.system,
    hint: 'the rootfs has to hold the real helper: run mounter install SOURCE, and see where MOUNTER_HOME leads',
  });
}

async function mountByHost(helperName: HelperName | undefined, layout: Layout, why: string): Promise<never> {
  return (await import('./turned-off.ts')).mountByHost(helperName, layout, why);
}

/**
 * Does what the plan says, tells the caller and the record.
 * @throws MounterError; that is for the caller to tell.
 */
async function carryOut(
  plan: MountPlan,
  { verbose }: Pick<MountArguments, 'verbose'>,
  context: Pick<RunContext, 'host' | 'layout' | 'manifest'>,
  output: Output,
  call: Call,
): Promise<void> {
  // Between a helper's success and ours a signal would leave a mount behind that is reported as a failure.
  const isInterrupted = holdInterruptions();
  let hasRun = false;
  const report: RunContext['report'] = (step) => {
    const isRun = step.kind === 'runHelper';
    // A second try, too, hears only of a signal that comes while it runs.
    if (isInterrupted() && (isRun || !hasRun)) throw interrupted(plan);
    hasRun ||= isRun;
    if (verbose) output.err(`mounter: ${describeStep(step)}\n`);
    call.begin(step.kind);
  };
  for (const notice of plan.notices) output.err(`mounter: ${printable(notice)}\n`);
  const result = await runPlan(plan, { ...context, report, isInterrupted });
  if (result.wasMounted && verbose) output.err(wasMounted(plan));
  if (result.helperOutput !== '') output.err(printableLines(result.helperOutput));
  await call.append(call.success(result));
}

function interrupted({ source, target }: MountPlan): MounterError {
  return new MounterError(`interrupted before ${source} was mounted`, {
    subject: target,
    status: exitCode.interrupted,
  });
}

function wasMounted(plan: MountPlan): string {
  return printableLines(`mounter: ${plan.target}: ${plan.source} is mounted there already; nothing to do\n`);
}

async function fail(
  error: MounterError,
  argv: readonly string[],
  output: Output,
  call: Call,
): Promise<number> {
  output.err(formatError(error));
  if (argv.includes('--json')) output.out(failureAsJson(error));
  call.place ??= (await import('../manifest/record-place.ts')).defaultPlace;
  await call.append(call.failure(error));
  return error.status;
}
