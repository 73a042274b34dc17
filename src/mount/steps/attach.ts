import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { ApartSite, Descriptor, HelperRun, Left } from '../../host/mount-host.ts';
import { type MountEntry, topmostAt } from '../../host/mountinfo.ts';
import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan-data.ts';
import { isMountedSince } from './chroot/undo.ts';
import { attachInSight } from './in-sight.ts';
import type { OpenTarget } from './path-walk.ts';
import type { MountSite } from './site.ts';

/** What the helper reports as done: is it there, is it what was asked for, and then: on the target. */

/**
 * @returns what the helper has mounted, if anything: mount.nfs may exit 0 without, and mount.glusterfs does where the
 *   directory of the volume is missing.
 * @throws MounterError (mount failure) where it is something else than was asked for.
 */
export function mountedApart(
  plan: MountPlan,
  site: ApartSite,
  context: MountContext,
): MountEntry | undefined {
  const entry = topmostAt(context.host.readMountTable(site), site.place);
  if (entry === undefined || plan.driver.isAsked(plan, entry, context)) return entry;
  throw new MounterError(`${entry.source} (${entry.fstype}) is what the server mounts for ${plan.source}`, {
    subject: plan.target,
    status: exitCode.mountFailure,
    errorClass: 'policy',
    hint: `the export is a symlink, or leads elsewhere: name the directory itself, ${entry.source}`,
  });
}

/** Also at the deadline of the whole mount: what is done is worth more than what is in time. */
const leastAttachMs = 5000;

/** A mount that a helper has made, and what it was made for. */
export interface MadeMount {
  readonly target: OpenTarget;
  readonly site: MountSite;
  readonly ran: HelperRun;
  /** Of the whole mount, by the host's clock. */
  readonly deadline: number;
}

/**
 * Puts the mount on its target; from then on nothing is taken away.
 * @returns the daemons that serve it.
 * @throws MounterError when it could not be put there; nothing is mounted then.
 */
export async function attach(
  plan: MountPlan,
  made: MadeMount,
  context: MountContext,
): Promise<readonly number[]> {
  const { target } = made;
  const { failure, daemons } = await putInPlace(plan, made, context);
  // Whoever ended the guardian, out of memory say, may have done so a moment after it was done.
  const isUnknown = failure !== undefined && ['ECONNRESET', 'ETIMEDOUT', 'stopped'].includes(failure);
  if (failure !== undefined && !(isUnknown && isMountedSince(plan, target, context)))
    throw (await import('../failure/not-attached.ts')).notAttached(plan, failure, target.file, context);
  return daemons;
}

/** More often than a directory on the way is mounted over by chance. */
const manyTries = 20;

async function putInPlace(
  plan: MountPlan,
  { target, site, ran: { guardian }, deadline }: MadeMount,
  { host }: MountContext,
): Promise<Left> {
  const limitMs = Math.max(leastAttachMs, deadline - host.now());
  if (site.kind === 'chroot')
    return guardian === undefined ? { failure: undefined, daemons: [] } : guardian.release(limitMs);
  if (guardian === undefined) {
    const attach = (targetFile: Descriptor) => host.attach({ ...site, targetFile });
    return { failure: attachInSight(plan, target, attach, manyTries, host), daemons: [] };
  }
  // It attaches once, to the target as it was opened, and leaves the daemons alone from then on.
  const left = await guardian.attach(limitMs);
  return { ...left, failure: attachInSight(plan, target, () => left.failure, 1, host) };
}
