import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { isSameFile } from '../../host/host.ts';
import type { Descriptor, MountHost } from '../../host/mount-host.ts';
import { isErrnoException } from '../../host/system-error.ts';
import type { MountPlan } from '../plan-data.ts';
import { type OpenTarget, partsBelow, walk } from './path-walk.ts';

/** What is attached, and where. */
type Names = Pick<MountPlan, 'source' | 'target'>;

/**
 * Attaches where the target is seen. A mount above it may have taken the open target out of sight: `prepare` binds the
 * kubelet directory on itself to make `enter: chroot` of `attach`, an operator mounts a disk. A Pod would write beneath
 * its volume, so what nobody sees is taken away, and attached where the path leads now, if to the same directory.
 * @param attach at first to the target as it was opened, later to the same directory by the mount that its path leads to.
 * @returns what the last `attach` did.
 * @throws MounterError (mount failure) where it is not seen; nothing is mounted, unless the kernel refuses to take it
 *   away: then the error says what is left and where.
 */
export function attachInSight(
  plan: Names,
  target: OpenTarget,
  attach: (file: Descriptor) => string | undefined,
  maximumTries: number,
  host: MountHost,
): string | undefined {
  for (let tries = 0; tries < maximumTries; tries += 1) {
    const seen = tries === 0 ? target.file : openSeen(plan, target, host);
    if (seen === undefined) break;
    try {
      const failure = attach(seen);
      if (failure !== undefined || isMountSeen(plan, target, host)) return failure;
      let wasThere = false;
      const refusal = refusalOf(() => {
        wasThere = host.detachFrom(seen);
      });
      if (refusal !== undefined) throw outOfSight(plan, isHidden(plan, target, refusal, host));
      // Somebody has unmounted it already.
      if (!wasThere) return failure;
    } finally {
      if (seen !== target.file) host.close(seen);
    }
  }
  throw outOfSight(plan, 'it is unmounted again');
}

function outOfSight({ source, target }: Names, what: string): MounterError {
  return new MounterError(
    `something was mounted over the directories on the way while ${source} was mounted; ${what}`,
    {
      subject: target,
      status: exitCode.mountFailure,
      errorClass: 'mount-point',
      hint: 'mount again; kubelet does so by itself',
    },
  );
}

/** What is left of it: beneath the first directory on the way that leads to another one now. */
function isHidden(
  { target }: Names,
  { identityMount, way }: OpenTarget,
  refusal: string,
  host: MountHost,
): string {
  const names = partsBelow(identityMount, target);
  const { steps, file } = walk(identityMount, names, host);
  if (file !== undefined) host.close(file);
  const at = way.findIndex((step, index) => step.mountId !== steps[index]?.mountId);
  const covered = at < 0 ? 'what covers it' : [identityMount, ...names.slice(0, at)].join('/');
  return `it is still mounted, hidden beneath ${covered}, for umount2 fails with ${refusal}: umount ${covered}, then umount ${target}`;
}

/** @returns undefined where the path leads to another directory now. */
function openSeen(
  { target }: Names,
  { identityMount, status }: OpenTarget,
  host: MountHost,
): Descriptor | undefined {
  const { steps, file } = walk(identityMount, partsBelow(identityMount, target), host);
  if (file === undefined || isSameFile(steps.at(-1), status)) return file;
  host.close(file);
  return undefined;
}

/** Where it cannot be looked, it is taken for seen, as it was a moment before: a good mount is no failure. */
function isMountSeen({ target }: Names, { identityMount }: OpenTarget, host: MountHost): boolean {
  try {
    const { steps, file } = walk(identityMount, partsBelow(identityMount, target), host);
    if (file === undefined) return false;
    host.close(file);
    const [parent, own] = steps.slice(-2);
    return own?.mountId !== parent?.mountId;
  } catch {
    return true;
  }
}

/** What umount2(2) refuses once it need not refuse again. */
const maximumTries = 3;

/**
 * Takes a mount away that is not to stay. A refusal must not hide why it is not to stay.
 * @returns undefined, or the name of the errno that it was refused with each time.
 */
export function refusalOf(detach: () => void): string | undefined {
  for (let tries = 1; ; tries += 1) {
    try {
      detach();
      return undefined;
    } catch (error) {
      if (!isErrnoException(error)) throw error;
      if (tries === maximumTries) return error.code ?? error.message;
    }
  }
}
