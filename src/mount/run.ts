import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host, Outcome } from '../host/host.ts';
import { enterRootfs } from '../rootfs/enter.ts';
import { moveLockServicesToScopes, provideLockServices } from '../rootfs/lock-services.ts';
import { moveToScopes } from '../rootfs/scope.ts';
import type { MountContext } from './context.ts';
import { glusterfsAlreadyMounted, glusterfsDaemonsOf } from './glusterfs.ts';
import { negotiatedVersion3 } from './negotiated.ts';
import type { MountPlan, MountStep } from './plan.ts';
import { checkTarget, parentOf, type TargetState } from './target.ts';
import { undoMount } from './undo.ts';
import { isMountedAsAsked, verifyMounted } from './verify.ts';

export interface MountResult {
  /** The target had this source mounted before the call; nothing was run. */
  readonly wasMounted: boolean;
  /** What the helper said, success notwithstanding: its warnings. */
  readonly helperOutput: string;
}

/**
 * Does what the plan says, in its order. Success means that the mount is visible on the host; otherwise
 * whatever the helper left is undone.
 * @throws MounterError with mount(8)'s status, or the helper's own.
 */
export async function runPlan(plan: MountPlan, context: MountContext): Promise<MountResult> {
  const deadline = context.host.now() + context.manifest.limits.mountSeconds * 1000;
  let before: TargetState = { mountId: undefined };
  let helperOutput = '';
  for (const step of plan.steps) {
    context.report(step);
    switch (step.kind) {
      case 'checkHelper':
        checkHelper(step.path, context);
        break;
      case 'checkDevice':
        checkDevice(step.path, context);
        break;
      case 'checkTarget': {
        const found = checkTarget(plan, step.identityMount, context);
        if (found === 'mounted') return { wasMounted: true, helperOutput: '' };
        before = found;
        break;
      }
      case 'provideLockServices':
        await provideLockServices(plan.target, context);
        break;
      case 'runHelper':
        helperOutput = await runHelper(step, plan, before, deadline, context);
        break;
      case 'verifyMounted':
        await verifyMounted(plan, before, helperOutput, context);
        if (plan.kind === 'glusterfs') await moveDaemonsToScopes(plan, context);
        break;
      case 'provideLockServicesIfVersion3':
        if (negotiatedVersion3(plan, context)) await lockServicesOrUndo(plan, before, context);
        break;
      default:
        step satisfies never;
    }
  }
  return { wasMounted: false, helperOutput };
}

/** @throws MounterError (system, or 126) when the rootfs or the helper in it can't be used. */
function checkHelper(path: string, { host, layout }: MountContext): void {
  if (host.stat(layout.rootfs)?.kind !== 'directory') {
    throw new MounterError('no rootfs is installed', {
      subject: layout.rootfs,
      status: exitCode.system,
      hint: 'run mounter install FILE, then mounter prepare',
    });
  }
  const helper = host.stat(`${layout.rootfs}${path}`);
  if (helper?.kind === 'file' && helper.isExecutable) return;
  throw new MounterError(
    helper === undefined
      ? 'the mount helper is missing in the rootfs'
      : 'the mount helper in the rootfs is not an executable file',
    {
      subject: `${layout.rootfs}${path}`,
      status: exitCode.system,
      hint: 'install a rootfs that has it: mounter install FILE',
    },
  );
}

/** @throws MounterError (system) when the helper would not find its device. */
function checkDevice(path: string, { host, layout }: MountContext): void {
  if (host.stat(`${layout.rootfs}${path}`)?.kind === 'device') return;
  const isOnHost = host.stat(path)?.kind === 'device';
  throw new MounterError(
    isOnHost ? 'the device is not in the rootfs' : 'the device is missing on this node',
    {
      subject: path,
      status: exitCode.system,
      hint: isOnHost
        ? 'run mounter prepare'
        : `load the kernel module that provides ${path} (for /dev/fuse: modprobe fuse)`,
    },
  );
}

/**
 * Runs the helper in the rootfs to its end or to the deadline of the whole mount.
 * @returns what it said.
 * @throws MounterError with the helper's status when it failed, after undoing what it left.
 */
async function runHelper(
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

async function moveDaemonsToScopes(plan: MountPlan, { host, layout }: MountContext): Promise<void> {
  await moveToScopes(host, () =>
    glusterfsDaemonsOf(host, plan.target, layout.rootfs).map(({ pid }) => ({ role: 'glusterfs', pid })),
  );
}

/** A v3 mount whose locks would hang is no success. */
async function lockServicesOrUndo(
  plan: MountPlan,
  before: TargetState,
  context: MountContext,
): Promise<void> {
  try {
    const hasStarted = await provideLockServices(plan.target, context);
    // mount.nfs may have had start-statd start them a moment ago.
    if (!hasStarted) await moveLockServicesToScopes(context);
  } catch (error) {
    await undoMount(plan, before, context);
    throw error;
  }
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
