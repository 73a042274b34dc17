import type { Doubt } from '../host/host.ts';
import { rootfsEntry } from '../rootfs/enter.ts';
import type { MountContext } from './context.ts';
import { glusterfsAlreadyMounted } from './glusterfs.ts';
import { hideSecrets } from './options.ts';
import { type MountPlan, type MountStep, optionsOf } from './plan.ts';
import type { Refusal } from './reach/refusal.ts';
import { parentOf, type TargetState } from './target.ts';
import { undoMount } from './undo.ts';
import { isMountedAsAsked } from './verify.ts';

/**
 * Runs the helper in the rootfs to its end, to the deadline of the whole mount, or until the server is found
 * to refuse it.
 * @returns what it said.
 * @throws MounterError with the helper's status when it failed, after undoing what it left.
 */
export async function runHelper(
  { argv, isExclusive }: Extract<MountStep, { kind: 'runHelper' }>,
  plan: MountPlan,
  before: TargetState,
  deadline: number,
  context: MountContext,
): Promise<string> {
  const { host, layout, manifest } = context;
  const deadlineMs = Math.max(0, deadline - host.now());
  const startedMs = host.now();
  const options = optionsOf(argv);
  const asked = askAfter(plan, options, context);
  const ran = await host.run({
    argv,
    inside: rootfsEntry(layout.rootfs, manifest),
    lock: isExclusive ? parentOf(plan.target) : undefined,
    deadlineMs,
    terminateMs: manifest.limits.terminateSeconds * 1000,
    doubt: asked.doubt,
  });
  const outcome = { ...ran, output: hideSecrets(options, ran.output) };
  if (outcome.status === 0 && outcome.endedBy === 'itself') return outcome.output;
  if (
    plan.kind === 'glusterfs' &&
    outcome.status === glusterfsAlreadyMounted &&
    isMountedAsAsked(plan, before, context)
  )
    return '';
  await undoMount(plan, before, context);
  const { explainFailure } = await import('./failure/explain.ts');
  const refusal = asked.refusal();
  throw await explainFailure({ helper: argv[0] ?? '', plan, options, outcome, refusal, startedMs }, context);
}

/** A helper that takes its time: why, is found out while it runs on. What that takes is loaded only then. */
function askAfter(
  plan: MountPlan,
  options: string,
  context: MountContext,
): { readonly doubt: Doubt; refusal(): Refusal | undefined } {
  let refusal: Refusal | undefined;
  const isHopeless = async (over: AbortSignal) => {
    const { examine } = await import('./reach/examine.ts');
    refusal = await examine(plan, options, context, over);
    return refusal !== undefined;
  };
  const afterMs = context.manifest.limits.doubtSeconds * 1000;
  return { doubt: { afterMs, isHopeless }, refusal: () => refusal };
}
