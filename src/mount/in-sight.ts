import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { isSameFile } from '../host/host.ts';
import type { Descriptor, MountHost } from '../host/mount-host.ts';
import type { MountContext } from './context.ts';
import { partsBelow, walk } from './path-walk.ts';
import type { MountPlan } from './plan.ts';
import type { OpenTarget } from './target.ts';

/**
 * A target that is open stays the same directory, also where a mount on one above it has taken it out of sight
 * meanwhile: `prepare` binds the kubelet directory on itself where it makes `enter: chroot` of `attach`, and an
 * operator mounts a disk. Then a Pod would write beneath what it was to mount.
 */

/**
 * The target as it is seen now.
 * @param use the same directory by the mount that its path leads to, or as it was opened where that is another one.
 */
export async function whereItIsSeen<T>(
  { target }: MountPlan,
  { identityMount, file, status }: OpenTarget,
  host: MountHost,
  use: (target: Descriptor) => Promise<T>,
): Promise<T> {
  const { steps, file: seen } = walk(identityMount, partsBelow(identityMount, target), host);
  try {
    return await use(seen !== undefined && isSameFile(steps.at(-1), status) ? seen : file);
  } finally {
    if (seen !== undefined) host.close(seen);
  }
}

/**
 * Takes away what was attached a moment ago, where nobody sees it.
 * @throws MounterError (mount failure) then; nothing is mounted.
 */
export function refuseHidden(
  plan: MountPlan,
  { identityMount, file }: OpenTarget,
  { host }: MountContext,
): void {
  const { steps, file: seen } = walk(identityMount, partsBelow(identityMount, plan.target), host);
  if (seen !== undefined) host.close(seen);
  const [parent, own] = steps.slice(-2);
  if (seen !== undefined && own?.mountId !== parent?.mountId) return;
  if (!detachFrom(file, host)) return;
  throw new MounterError(
    `something was mounted over the directories on the way while ${plan.source} was mounted; it is unmounted again`,
    {
      subject: plan.target,
      status: exitCode.mountFailure,
      errorClass: 'mount-point',
      hint: 'mount again; kubelet does so by itself',
    },
  );
}

/** @returns false where nothing is mounted on it: somebody has unmounted it already. */
function detachFrom(file: Descriptor, host: MountHost): boolean {
  try {
    // By the last part it comes from the directory to what is mounted on it, wherever their path leads.
    host.detach(`/proc/self/fd/${file}/.`);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return false;
    throw error;
  }
}
