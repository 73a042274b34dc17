import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { ApartSite, Descriptor, Left } from '../../host/mount-host.ts';
import { type MountEntry, parseMountinfo, readMountinfo } from '../../host/mountinfo.ts';
import type { MountContext } from '../context.ts';
import { canonicalNfsSource, nfsKernelTypes } from '../filesystems/nfs/nfs.ts';
import type { MountPlan } from '../plan.ts';
import { isMountedSince } from './chroot/undo.ts';
import type { HelperSuccess } from './helper.ts';
import { attachInSight } from './in-sight.ts';
import type { MountSite } from './site.ts';
import { isSourceOf, type OpenTarget } from './target.ts';

/** What the helper reports as done: is it there, is it what was asked for, and then: on the target. */

/**
 * What the helper has mounted in a place apart. mount.nfs also exits 0 when it has not mounted, and mount.glusterfs when
 * the directory of the volume is missing.
 * @returns undefined where nothing is mounted.
 * @throws MounterError (mount failure) where it is something else than was asked for.
 */
export function mountedApart(
  plan: MountPlan,
  site: ApartSite,
  context: MountContext,
): MountEntry | undefined {
  const entries = parseMountinfo(context.host.readMountTable(site));
  const entry = entries.findLast(({ mountPoint }) => mountPoint === site.place);
  if (entry === undefined || isAsked(plan, entry, context)) return entry;
  throw new MounterError(`${entry.source} (${entry.fstype}) is what the server mounts for ${plan.source}`, {
    subject: plan.target,
    status: exitCode.mountFailure,
    errorClass: 'policy',
    hint: `the export is a symlink, or leads elsewhere: name the directory itself, ${entry.source}`,
  });
}

function isAsked(plan: MountPlan, entry: MountEntry, context: MountContext): boolean {
  switch (plan.kind) {
    case 'nfs':
      return !nfsKernelTypes.includes(entry.fstype) || isExportOf(plan, entry, context);
    case 'glusterfs':
      return isSourceOf(plan, entry);
    case 'generic':
      return true;
    default:
      return plan.kind satisfies never;
  }
}

/**
 * The kernel knows a filesystem of a server by the name that it was first mounted by on this node, and says that for
 * another server's name, or another path, too. So the name says nothing where another mount shows the same one.
 */
function isExportOf(plan: MountPlan, entry: MountEntry, { host, manifest }: MountContext): boolean {
  if (pathOf(entry.source) === pathOf(plan.source)) return true;
  if (manifest.policy.sources !== undefined) return false;
  return readMountinfo(host).some(({ device }) => device === entry.device);
}

/** `/path` of `server:/path`, whatever colons are in that path. */
function pathOf(source: string): string {
  const canonical = canonicalNfsSource(source);
  return canonical.slice(canonical.indexOf(':', canonical.startsWith('[') ? canonical.indexOf(']') : 0) + 1);
}

/** Also at the deadline of the whole mount: what is done is worth more than what is in time. */
const leastAttachMs = 5000;

/**
 * Puts the mount on its target; from then on nothing is taken away.
 * @param deadline of the whole mount, by the host's clock.
 * @returns the daemons that serve it.
 * @throws MounterError when it could not be put there; nothing is mounted then.
 */
export async function attach(
  plan: MountPlan,
  site: MountSite,
  target: OpenTarget,
  { guardian }: HelperSuccess,
  deadline: number,
  context: MountContext,
): Promise<readonly number[]> {
  const limitMs = Math.max(leastAttachMs, deadline - context.host.now());
  const { failure, daemons } = await finish(plan, target, site, guardian, limitMs, context);
  // Whoever ended the guardian, out of memory say, may have done so a moment after it was done.
  const isUnknown = failure === 'ECONNRESET' || failure === 'ETIMEDOUT';
  if (failure !== undefined && !(isUnknown && isMountedSince(plan, target, context)))
    throw (await import('../failure/not-attached.ts')).notAttached(plan, failure, target.file, context);
  return daemons;
}

/** More often than a directory on the way is mounted over by chance. */
const manyTries = 20;

async function finish(
  plan: MountPlan,
  target: OpenTarget,
  site: MountSite,
  guardian: HelperSuccess['guardian'],
  limitMs: number,
  { host }: MountContext,
): Promise<Left> {
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
