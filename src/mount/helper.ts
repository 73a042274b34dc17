import { rootfsEntry } from '../rootfs/enter.ts';
import type { Asking } from './asking.ts';
import type { MountContext } from './context.ts';
import { glusterfsAlreadyMounted } from './glusterfs.ts';
import { hideSecrets } from './options.ts';
import { type MountPlan, type MountStep, optionsOf } from './plan.ts';
import { parentOf, type TargetState } from './target.ts';
import { undoMount } from './undo.ts';
import { isMountedAsAsked } from './verify.ts';

/**
 * Runs the helper in the rootfs to its end, to the deadline of the whole mount, or until the server is found
 * to refuse it.
 * @param deadline of the whole mount, by the host's clock.
 * @returns what it said.
 * @throws MounterError with the helper's status when it failed, after undoing what it left.
 */
export async function runHelper(
  { argv, isExclusive }: Extract<MountStep, { kind: 'runHelper' }>,
  plan: MountPlan,
  before: TargetState,
  deadline: number,
  asking: Asking,
  context: MountContext,
): Promise<string> {
  const { host, layout, manifest } = context;
  const startedMs = host.now();
  const options = optionsOf(argv);
  const ran = await host.run({
    argv,
    inside: rootfsEntry(layout.rootfs, host),
    lock: isExclusive ? parentOf(plan.target) : undefined,
    deadlineMs: Math.max(0, deadline - startedMs),
    terminateMs: manifest.limits.terminateSeconds * 1000,
    doubt: asking.ofHelper(),
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
  const { refusal } = asking;
  throw await explainFailure({ helper: argv[0] ?? '', plan, options, outcome, refusal, startedMs }, context);
}
