import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { isSameFile } from '../host/host.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import type { MountContext } from './context.ts';
import { canonicalGlusterfsSource, glusterfsKernelTypes } from './glusterfs.ts';
import { canonicalNfsSource, nfsKernelTypes } from './nfs.ts';
import type { MountPlan } from './plan.ts';

/** What the target was before the helper ran. */
export interface TargetState {
  /** The mount that the target directory lies on. */
  readonly mountId: number | undefined;
}

/**
 * Looks at the target before anything is run. mount.nfs exits 0 without mounting when something of the same
 * server filesystem is on the target already, so that has to be known before.
 * @returns 'mounted' when the source is mounted there already, else the state to compare with afterwards.
 * @throws MounterError (usage) for a target that can't be mounted on, (system) for a node that is not
 *   prepared, (mount failure) when something else is mounted there.
 */
export function checkTarget(
  plan: MountPlan,
  identityMount: string,
  context: MountContext,
): TargetState | 'mounted' {
  const { host } = context;
  checkWay(plan.target, identityMount, context);
  const mountId = host.mountId(plan.target);
  if (mountId === undefined)
    throw targetError(plan.target, 'the target does not exist', 'make the directory first');
  if (mountId !== host.mountId(parentOf(plan.target))) {
    const entry = mountEntryAt(plan.target, mountId, context);
    if (plan.isRemount) return { mountId };
    if (entry !== undefined && isSourceOf(plan, entry)) return 'mounted';
    throw otherMount(plan, entry);
  }
  if (plan.isRemount)
    throw targetError(plan.target, 'remount: nothing is mounted on the target', 'mount it first');
  checkDirectory(plan, context);
  return { mountId };
}

/**
 * No symlink below the identity mount: whoever writes in a volume could lead the mount elsewhere with one
 * (CVE-2017-1002101, CVE-2021-25741). The target itself is looked at later: what is mounted there may hang.
 */
function checkWay(target: string, identityMount: string, { host }: MountContext): void {
  let way = identityMount;
  for (const part of parentOf(target).slice(identityMount.length).split('/')) {
    if (part === '') continue;
    way = `${way}/${part}`;
    const status = host.lstat(way);
    if (status === undefined) throw targetError(target, `${way} does not exist`, 'make the directory first');
    if (status.kind === 'symlink')
      throw targetError(target, `${way} is a symlink`, 'mount on a path without symlinks');
    if (status.kind !== 'directory')
      throw targetError(target, `${way} is not a directory`, 'mount on a directory');
  }
}

/** A directory, and the very same one inside the rootfs: that proves the identity mount, however many mounts there are. */
function checkDirectory({ target, rootfsTarget }: MountPlan, { host }: MountContext): void {
  const status = host.lstat(target);
  if (status?.kind === 'symlink')
    throw targetError(target, 'the target is a symlink', 'mount on the directory itself');
  if (status?.kind !== 'directory')
    throw targetError(target, 'the target is not a directory', 'mount on a directory');
  if (isSameFile(status, host.lstat(rootfsTarget))) return;
  throw new MounterError('the rootfs does not see this directory: the node is not prepared', {
    subject: target,
    status: exitCode.system,
    hint: 'run mounter prepare',
  });
}

function targetError(target: string, message: string, hint: string): MounterError {
  return new MounterError(message, {
    subject: target,
    status: exitCode.usage,
    errorClass: 'mount-point',
    hint,
  });
}

function otherMount(plan: MountPlan, entry: MountEntry | undefined): MounterError {
  const what = entry === undefined ? 'something else' : `${entry.source} (${entry.fstype})`;
  return new MounterError(`${what} is mounted there already, not ${plan.source}`, {
    subject: plan.target,
    status: exitCode.mountFailure,
    errorClass: 'busy',
    hint: `umount ${plan.target} first, or choose another target`,
  });
}

/** The line of mountinfo for the mount on `target`; reads them all, so only where something is mounted already. */
export function mountEntryAt(
  target: string,
  mountId: number,
  { host }: MountContext,
): MountEntry | undefined {
  return readMountinfo(host).find((entry) => entry.mountId === mountId && entry.mountPoint === target);
}

/** Whether `entry` is what the plan asks for: a filesystem of its kind, of its source. */
export function isSourceOf(plan: MountPlan, entry: MountEntry): boolean {
  switch (plan.kind) {
    case 'nfs':
      return (
        nfsKernelTypes.includes(entry.fstype) &&
        canonicalNfsSource(entry.source) === canonicalNfsSource(plan.source)
      );
    case 'glusterfs':
      return (
        glusterfsKernelTypes.includes(entry.fstype) &&
        canonicalGlusterfsSource(entry.source) === canonicalGlusterfsSource(plan.source)
      );
    case 'generic':
      return entry.source === plan.source;
    default:
      return plan.kind satisfies never;
  }
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
