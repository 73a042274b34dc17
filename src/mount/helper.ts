import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host, Outcome } from '../host/host.ts';
import { enterRootfs } from '../rootfs/enter.ts';
import type { MountContext } from './context.ts';
import { glusterfsAlreadyMounted } from './glusterfs.ts';
import type { MountPlan, MountStep } from './plan.ts';
import { parentOf, type TargetState } from './target.ts';
import { undoMount } from './undo.ts';
import { isMountedAsAsked } from './verify.ts';

/**
 * Runs the helper in the rootfs to its end or to the deadline of the whole mount.
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
  const entering = enterRootfs(host, layout.rootfs, manifest.enter, argv);
  const outcome = await host.run({
    argv: isExclusive ? [...exclusively(host, parentOf(plan.target), deadlineMs), ...entering] : entering,
    deadlineMs,
    terminateMs: manifest.limits.terminateSeconds * 1000,
  });
  if (outcome.status === 0 && outcome.endedBy === 'itself') return outcome.output;
  if (
    plan.kind === 'glusterfs' &&
    outcome.status === glusterfsAlreadyMounted &&
    isMountedAsAsked(plan, before, context)
  )
    return '';
  await undoMount(plan, before, context);
  throw helperFailure(argv[0] ?? '', plan, outcome, manifest.limits.mountSeconds);
}

/** flock(1) on the directory, without handing its descriptor on (`-o`): a daemon would keep the lock. */
function exclusively(host: Host, directory: string, deadlineMs: number): readonly string[] {
  return [host.findProgram('flock'), '-o', '-w', String(Math.ceil(deadlineMs / 1000)), directory];
}

function helperFailure(
  helper: string,
  plan: MountPlan,
  outcome: Outcome,
  mountSeconds: number,
): MounterError {
  const details = { subject: plan.target, helperOutput: outcome.output };
  switch (outcome.endedBy) {
    case 'deadline':
      return new MounterError(
        `${helper} did not mount ${plan.source} within ${mountSeconds} s and was ended`,
        {
          ...details,
          status: exitCode.mountFailure,
          hint: 'see whether the server is up and reachable from this node',
        },
      );
    case 'interrupt':
      return new MounterError(`interrupted while mounting ${plan.source}; nothing is mounted`, {
        ...details,
        status: exitCode.interrupted,
      });
    case 'itself':
      return new MounterError(`${helper} failed to mount ${plan.source}`, {
        ...details,
        status: outcome.status,
        hint: hintForStatus(outcome.status),
      });
    default:
      return outcome.endedBy satisfies never;
  }
}

/** chroot(1) itself answers 125 to 127. */
function hintForStatus(status: number): string | undefined {
  switch (status) {
    case 125:
      return 'chroot(1) could not enter the rootfs; mounter mount must run as root';
    case exitCode.helperNotExecutable:
    case exitCode.helperNotFound:
      return 'the helper, its interpreter or a library is missing in the rootfs: run mounter install again';
    default:
      return undefined;
  }
}
