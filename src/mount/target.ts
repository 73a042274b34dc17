import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { isSameFile, type RootfsEntry, type Way, type WayStep } from '../host/host.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import { isEnterable, notPrepared, rootfsEntry } from '../rootfs/enter.ts';
import type { MountContext } from './context.ts';
import { canonicalGlusterfsSource, glusterfsKernelTypes } from './glusterfs.ts';
import { canonicalNfsSource, nfsKernelTypes } from './nfs.ts';
import type { MountPlan } from './plan.ts';

/** What the target and the way to it were before the helper ran. */
export interface TargetState {
  /** The mount that the target directory lies on. */
  readonly mountId: number | undefined;
  readonly identityMount: string;
  /** The directories from the identity mount down to the target's parent. */
  readonly way: readonly WayStep[];
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
  const { steps, mountId, parentMountId } = walkTo(plan.target, identityMount, context);
  const way = steps.slice(0, partsBelow(identityMount, plan.target).length);
  checkWay(plan.target, identityMount, way);
  if (mountId === undefined) throw missingTarget(plan.target, steps[way.length]);
  const state = { mountId, identityMount, way };
  if (mountId !== parentMountId) {
    const entry = mountEntryAt(plan.target, mountId, context);
    if (plan.isRemount) {
      refuseWithinVolume(plan.target, identityMount);
      requireEnterable(plan.target, context);
      return state;
    }
    if (entry !== undefined && isSourceOf(plan, entry)) return 'mounted';
    throw otherMount(plan, entry);
  }
  if (plan.isRemount)
    throw targetError(plan.target, 'remount: nothing is mounted on the target', 'mount it first');
  checkDirectory(plan.target, steps[way.length], context);
  refuseWithinVolume(plan.target, identityMount);
  return state;
}

/** From the identity mount down to `target`. */
export function walkTo(target: string, identityMount: string, { host }: MountContext): Way {
  return host.walk(identityMount, partsBelow(identityMount, target));
}

function partsBelow(directory: string, path: string): readonly string[] {
  return path.slice(directory.length + 1).split('/');
}

/**
 * No symlink below the identity mount, and no directory that others than root can write in: whoever can
 * could lead the mount elsewhere, now or while the helper runs (CVE-2017-1002101, CVE-2021-25741). The target
 * itself is looked at later: what is mounted there may hang.
 */
function checkWay(target: string, identityMount: string, way: readonly WayStep[]): void {
  let path = identityMount;
  for (const [index, part] of ['', ...partsBelow(identityMount, parentOf(target))].entries()) {
    if (part !== '') path = `${path}/${part}`;
    else if (index > 0) continue;
    const step = way[index];
    if (step === undefined) throw targetError(target, `${path} does not exist`, 'make the directory first');
    if (step.kind === 'symlink')
      throw targetError(target, `${path} is a symlink`, 'mount on a path without symlinks');
    if (step.kind !== 'directory')
      throw targetError(target, `${path} is not a directory`, 'mount on a directory');
    if (!step.isRootOnly)
      throw targetError(
        target,
        `others than root can write in ${path}, and could lead the mount elsewhere`,
        'mount on a path of directories that root alone can write in',
      );
  }
}

function missingTarget(target: string, step: WayStep | undefined): MounterError {
  return step === undefined
    ? targetError(target, 'the target does not exist', 'make the directory first')
    : targetError(target, 'the target is not a directory', 'mount on a directory');
}

/**
 * A directory, and the very same one inside the rootfs: that proves the identity mount, however many mounts there
 * are. In a mount namespace of its own `prepare` has proved it; a helper that does not see the directory fails,
 * and a mount that does not reach the host is found after it.
 */
function checkDirectory(target: string, step: WayStep | undefined, context: MountContext): void {
  if (step?.kind === 'symlink')
    throw targetError(target, 'the target is a symlink', 'mount on the directory itself');
  if (step?.kind !== 'directory')
    throw targetError(target, 'the target is not a directory', 'mount on a directory');
  const entry = requireEnterable(target, context);
  if (entry.kind === 'chroot' && !isSameFile(step, context.host.lstat(entry.directory + target)))
    throw notSeen(target);
}

/** @throws MounterError (system) where what the rootfs is entered by is gone. */
function requireEnterable(subject: string, { host, layout }: MountContext): RootfsEntry {
  const entry = rootfsEntry(layout.rootfs, host);
  if (!isEnterable(host, entry)) throw notPrepared(subject);
  return entry;
}

function notSeen(subject: string): MounterError {
  return new MounterError('the rootfs does not see this directory: the node is not prepared', {
    subject,
    status: exitCode.system,
    hint: 'run mounter prepare',
  });
}

/**
 * kubelet asks for no mount within a volume: there a container that runs as root can swap any directory for a
 * symlink at any moment, and mount.nfs reads the symlink itself and mounts where it leads.
 */
function refuseWithinVolume(target: string, identityMount: string): void {
  if (!isWithinVolume(partsBelow(identityMount, target).join('/'))) return;
  throw targetError(
    target,
    'the target lies within a volume, where a container could lead the mount elsewhere',
    'mount it beside the volume, as a volume of its own',
  );
}

/** @param path below the kubelet directory. CSI's own volumes are mounted one level below the others. */
export function isWithinVolume(path: string): boolean {
  if (/^pods\/[^/]+\/volume-subpaths\//.test(path)) return true;
  return (
    /^pods\/[^/]+\/volumes\/[^/]+\/[^/]+\/./.test(path) &&
    !/^pods\/[^/]+\/volumes\/kubernetes\.io~csi\/[^/]+\/mount$/.test(path)
  );
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
