import { MounterError, printable, printableLines } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { MountHost } from '../host/mount-host.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import type { MountArguments } from '../mount/arguments/argv.ts';
import type { MountPlan } from '../mount/plan-data.ts';
import { type RunContext, runPlan } from '../mount/run.ts';
import { describeStep } from '../mount/show.ts';
import type { Layout } from '../node/layout.ts';
import type { Call } from '../record/call.ts';
import type { Output } from './output.ts';

/** What a mount is carried out with. */
export interface CarryOutContext {
  readonly host: MountHost;
  readonly layout: Layout;
  readonly settings: NodeSettings;
  readonly output: Output;
  readonly call: Call;
  /**
   * Whether a signal has come to end us, which then ends nothing by itself: between a helper's success and ours
   * it would leave a mount behind that is reported as a failure.
   */
  readonly isInterrupted: () => boolean;
}

/**
 * Does what the plan says, tells the caller and the record.
 * @throws MounterError; that is for the caller to tell.
 */
export async function carryOut(
  plan: MountPlan,
  { verbose }: Pick<MountArguments, 'verbose'>,
  { host, layout, settings, output, call, isInterrupted }: CarryOutContext,
): Promise<void> {
  let hasRun = false;
  const report: RunContext['report'] = (step) => {
    if (isInterrupted() && !hasRun) throw interrupted(plan);
    hasRun ||= step.kind === 'runHelper';
    if (verbose) output.err(`mounter: ${describeStep(step)}\n`);
    call.begin(step.kind);
    if (step.kind === 'runHelper') call.openRecord();
  };
  for (const notice of plan.notices) output.err(`mounter: ${printable(notice)}\n`);
  const result = await runPlan(plan, { host, layout, manifest: settings, report, isInterrupted });
  if (result.wasMounted && verbose) output.err(wasMounted(plan));
  if (result.helperOutput !== '') output.err(printableLines(result.helperOutput));
  await call.recordSuccess(result);
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
