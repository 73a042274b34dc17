import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { Host } from '../../host/host.ts';
import type { Descriptor } from '../../host/mount-host.ts';
import { shellWord } from '../../shell-word.ts';
import type { MountContext } from '../context.ts';
import { raiseMountMax } from '../filesystems/hints.ts';
import type { MountPlan } from '../plan-data.ts';

/**
 * Why a mount that was made could not be put on its target.
 * @param code of the kernel's answer, or of the guardian's.
 * @param target as it was opened.
 */
export function notAttached(
  plan: MountPlan,
  code: string,
  target: Descriptor,
  { host }: MountContext,
): MounterError {
  const options = { subject: plan.target, status: exitCode.mountFailure };
  if (code === 'ENOENT' || host.statusOf(target).kind !== 'directory')
    return new MounterError(`the target was removed while ${plan.source} was mounted`, {
      ...options,
      errorClass: 'mount-point',
      hint: `run mkdir -p ${shellWord(plan.target)}, and mount again`,
    });
  if (code === 'ENOSPC') {
    const maximum = mountMax(host);
    return new MounterError(`this node has as many mounts as fs.mount-max allows (${maximum ?? 'unknown'})`, {
      ...options,
      errorClass: 'mount-max',
      hint: raiseMountMax,
    });
  }
  if (code === 'ETIMEDOUT')
    return new MounterError(`the server does not answer any more, and ${plan.source} could not be attached`, {
      ...options,
      errorClass: 'server-silent',
      hint: 'see how the server fares, and mount again',
    });
  if (code === 'stopped')
    return new MounterError(
      `the process that guards its helper, mounter-guard, was stopped by a signal, and ${plan.source} could not be attached`,
      {
        ...options,
        errorClass: 'node',
        hint: 'see who sends SIGSTOP to processes of this node, a debugger perhaps, and mount again',
      },
    );
  return new MounterError(`${plan.source} could not be attached to the target: ${code}`, {
    ...options,
    errorClass: 'node',
    hint: 'see dmesg of this node; {"enter": "chroot"} in node-settings.json, then mounter prepare, is another way',
  });
}

/** A volume and its copies in the peers of its mount; beyond fs.mount-max none of them is made. */
const copies = 16;

/** fs.mount-max: how many mounts each mount namespace may have. */
function mountMax(host: Host): number | undefined {
  const maximum = Number(host.readText('/proc/sys/fs/mount-max'));
  return maximum > 0 ? maximum : undefined;
}

/** fs.mount-max, where this mount namespace (nearly) holds as many: mount(2) then fails with ENOSPC. @see proc(5) */
export function reachedMountMax(host: Host): number | undefined {
  const maximum = mountMax(host);
  const mountinfo = host.readText('/proc/self/mountinfo');
  if (maximum === undefined || mountinfo === undefined) return undefined;
  return mountinfo.split('\n').length - 1 + copies > maximum ? maximum : undefined;
}
