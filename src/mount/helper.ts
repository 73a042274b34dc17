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
 * @param calledMs when the whole mount began, by the host's clock.
 * @returns what it said.
 * @throws MounterError with the helper's status when it failed, after undoing what it left.
 */
export async function runHelper(
  { argv, isExclusive }: Extract<MountStep, { kind: 'runHelper' }>,
  plan: MountPlan,
  before: TargetState,
  calledMs: number,
  context: MountContext,
): Promise<string> {
  const { host, layout, manifest } = context;
  const startedMs = host.now();
  const deadlineMs = Math.max(0, calledMs + manifest.limits.mountSeconds * 1000 - startedMs);
  const options = optionsOf(argv);
  const asked = askAfter(plan, options, calledMs, context);
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

/** A helper does this much without a server: to find that an option is none of its own, say. */
const leastPatienceMs = 200;

/**
 * A call that takes its time: why, is found out while the helper runs on. What that takes is loaded only then. What
 * the lock services took to start counts: the caller has waited for them, too.
 */
function askAfter(
  plan: MountPlan,
  options: string,
  calledMs: number,
  context: MountContext,
): { readonly doubt: Doubt; refusal(): Refusal | undefined } {
  let refusal: Refusal | undefined;
  const isHopeless = async (over: AbortSignal) => {
    const { examine } = await import('./reach/examine.ts');
    refusal = await examine(plan, options, context, over);
    return refusal !== undefined;
  };
  const { host, manifest } = context;
  const doubtMs = manifest.limits.doubtSeconds * 1000;
  const waitedMs = host.now() - calledMs;
  const afterMs = Math.max(Math.min(leastPatienceMs, doubtMs), doubtMs - waitedMs);
  return { doubt: { afterMs, isHopeless }, refusal: () => refusal };
}
