import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { Descriptor, MountHost, OpenStatus } from '../../host/mount-host.ts';
import { type MountEntry, mountOfId } from '../../host/mountinfo.ts';
import { isErrnoException } from '../../host/system-error.ts';
import { isWithinVolume } from '../../node/within-volume.ts';
import { shellWord } from '../../shell-word.ts';
import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan-data.ts';
import { nameOf, type OpenTarget, partsBelow, walk } from './path-walk.ts';
import { lockTarget } from './target-lock.ts';

/**
 * Opens the target when no other call is at work on it, and looks at it before anything is run.
 * @param deadline of the whole mount, by the host's clock.
 * @returns 'mounted' when the source is mounted there already, with all that protects it: alive, or its server silent
 *   for now.
 * @throws MounterError (usage) for a target that cannot be mounted on, (mount failure) when something else is
 *   mounted there, or the source without what was asked for, or what is stale, or another call holds the target until
 *   the deadline; (interrupted) meanwhile.
 */
export async function openTarget(
  plan: MountPlan,
  identityMount: string,
  deadline: number,
  context: MountContext,
): Promise<OpenTarget | 'mounted'> {
  const opened = await openParent(plan.target, identityMount, deadline, context);
  if (typeof opened === 'string') throw missing(plan.target, opened);
  const { parent, parentStatus, way } = opened;
  try {
    return await openIn(parent, parentStatus, plan, { identityMount, way, deadline }, context);
  } finally {
    context.host.close(parent);
  }
}

/** The directory that a target is in, and the way down to it. */
export interface OpenParent extends Pick<OpenTarget, 'way'> {
  readonly parent: Descriptor;
  readonly parentStatus: OpenStatus;
}

/**
 * Opens it when no other call is at work on the target.
 * @returns the directory on the way that does not exist, where one does not.
 * @throws MounterError as `openTarget` does.
 */
export async function openParent(
  target: string,
  identityMount: string,
  deadline: number,
  context: MountContext,
): Promise<OpenParent | string> {
  const { host } = context;
  const names = partsBelow(identityMount, target).slice(0, -1);
  const { steps: way, file: parent } = walk(identityMount, names, host);
  try {
    const missingStep = checkWay(target, [identityMount, ...names], way);
    if (missingStep !== undefined) return missingStep;
    const parentStatus = way.at(-1);
    if (parent === undefined || parentStatus === undefined) return target;
    await lockTarget(target, { file: parent, status: parentStatus }, deadline, context);
    return { parent, parentStatus, way };
  } catch (error) {
    if (parent !== undefined) host.close(parent);
    throw error;
  }
}

/** Whatever is not mounted on is closed again: it would keep whoever unmounts it waiting. */
async function openIn(
  parent: Descriptor,
  parentStatus: OpenStatus,
  plan: MountPlan,
  { deadline, ...place }: Pick<OpenTarget, 'identityMount' | 'way'> & { readonly deadline: number },
  context: MountContext,
): Promise<OpenTarget | 'mounted'> {
  const { host } = context;
  const file = await openTop(parent, plan, host);
  if (file === undefined) throw missing(plan.target);
  let isKept = false;
  try {
    const status = host.statusOf(file);
    if (status.mountId === parentStatus.mountId) {
      checkDirectory(plan.target, status);
      refuseWithinVolume(plan.target, place.identityMount);
      isKept = true;
      return { file, status, ...place };
    }
    const there = { file, status, ...place };
    const entry = mountEntryOf(status.mountId, context);
    const { lookAtMount } = await import('./mounted-already.ts');
    if ((await lookAtMount(plan, entry, there, deadline, context)) === 'asked') return 'mounted';
  } finally {
    if (!isKept) host.close(file);
  }
  // Nothing can be done with it any more but to take it away: its daemon is gone.
  host.detach(plan.target);
  return openIn(parent, parentStatus, plan, { deadline, ...place }, context);
}

/** The kernel looks at what is mounted there: not even its root can be opened where a server has made that anew. */
async function openTop(
  parent: Descriptor,
  plan: MountPlan,
  host: MountHost,
): Promise<Descriptor | undefined> {
  try {
    return host.openIn(parent, nameOf(plan.target));
  } catch (error) {
    if (!isErrnoException(error) || error.code !== 'ESTALE') throw error;
    throw (await import('./mounted-already.ts')).stale(plan, 'something');
  }
}

/**
 * Nothing that could lead the mount elsewhere (CVE-2017-1002101, CVE-2021-25741). The target is looked at later.
 * @param names the identity mount, and each directory below it down to the target's parent.
 * @returns the first that does not exist.
 */
function checkWay(target: string, names: readonly string[], way: readonly OpenStatus[]): string | undefined {
  for (let index = 0; index < names.length; index += 1) {
    const step = way[index];
    if (step?.kind === 'directory' && step.isRootOnly) continue;
    const path = names.slice(0, index + 1).join('/');
    if (step === undefined) return path;
    if (step.kind === 'symlink')
      throw targetError(
        target,
        `${path} is a symlink`,
        `mount on the path without symlinks: readlink -f ${shellWord(target)} prints it`,
      );
    if (step.kind !== 'directory')
      throw targetError(target, `${path} is not a directory`, 'mount on a directory, by another path');
    throw targetError(
      target,
      `others than root can write in ${path}, and could lead the mount elsewhere`,
      `run chown root:root ${shellWord(path)} && chmod go-w ${shellWord(path)}, or mount below directories that root alone can write in`,
    );
  }
  return undefined;
}

export function checkDirectory(target: string, { kind }: OpenStatus): void {
  if (kind === 'symlink')
    throw targetError(
      target,
      'the target is a symlink',
      `mount on the directory itself: readlink -f ${shellWord(target)} prints it`,
    );
  if (kind !== 'directory')
    throw targetError(target, 'the target is not a directory', 'mount on a directory, by another path');
}

/** kubelet asks for none: there a container's root, or a server, can swap any directory for a symlink at any moment. */
export function refuseWithinVolume(target: string, identityMount: string): void {
  if (!isWithinVolume(target.slice(identityMount.length + 1))) return;
  throw targetError(
    target,
    'the target lies within a volume, where a container could lead the mount elsewhere',
    'mount it beside the volume, as a volume of its own',
  );
}

export function missing(target: string, path = target): MounterError {
  // encodeURI counts bytes: QuickJS has nothing else that does.
  if (path.split('/').some((name) => encodeURI(name).replace(/%../g, '%').length > longestName))
    return targetError(target, `a name in it is longer than ${longestName} bytes`, 'mount on a shorter path');
  const what = path === target ? 'the target' : path;
  return targetError(target, `${what} does not exist`, `run mkdir -p ${shellWord(target)}, and mount again`);
}

/** NAME_MAX of limits.h. */
const longestName = 255;

function targetError(target: string, message: string, hint: string): MounterError {
  return new MounterError(message, {
    subject: target,
    status: exitCode.usage,
    errorClass: 'mount-point',
    hint,
  });
}

/** By the id: the target's path differs there, where a directory above is a symlink. */
export function mountEntryOf(mountId: number, { host }: MountContext): MountEntry | undefined {
  return mountOfId(host.readText('/proc/self/mountinfo') ?? '', mountId);
}
