import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import {
  type Descriptor,
  type MountFlag,
  mountFlagNames,
  type Space,
  type VolumeHost,
} from '../../host/mount-host.ts';
import type { MountEntry } from '../../host/mountinfo.ts';
import { raiseLimit } from '../../host/system-error.ts';
import { volumeTypes } from '../../manifest/filesystem-kinds.ts';
import { identityMountOf } from '../../manifest/shared-mounts.ts';
import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan-data.ts';
import { attachInSight } from '../steps/in-sight.ts';
import { nameOf, type OpenTarget, partsBelow, walk } from '../steps/path-walk.ts';
import {
  checkDirectory,
  missing,
  mountEntryOf,
  type OpenParent,
  openParent,
  refuseWithinVolume,
} from '../steps/target.ts';

/** A volume that is mounted once on a node, shown to a Pod. @see the CSI specification, NodePublishVolume */

export interface PublishRequest {
  /** Where the volume is mounted. */
  readonly staged: string;
  /** Where it is to be seen. */
  readonly target: string;
  /** Of the mount on the target. */
  readonly flags: readonly MountFlag[];
  /** The mount that was asked for, on `staged`; undefined where nobody says. */
  readonly plan?: MountPlan | undefined;
}

export interface VolumeContext extends MountContext {
  readonly host: VolumeHost;
}

/** More than a file of a healthy server takes, however busy the node. */
const [lockMs, answerMs] = [20_000, 2000];

/**
 * Attaches a copy of the staged mount to the target, whose directory is made where it is missing; nothing where it is
 * there already.
 * @throws MounterError: class `mount-point` about `staged` where nothing is mounted there, or another volume, `stale`
 *   where that is dead or stale, `busy` where the target shows something else, or the same for reading alone or not; and
 *   as a mount does for the target.
 */
export async function publish(request: PublishRequest, context: VolumeContext): Promise<void> {
  const { staged, target } = request;
  const { host, manifest } = context;
  const identityMount = identityMountOf(target, manifest);
  const source = openStaged(staged, context);
  try {
    if (request.plan !== undefined) await refuseOtherVolume(request.plan, source, context);
    await refuseDead(staged, source.file, context);
    const opened = await openParent(target, identityMount, host.now() + lockMs, context);
    if (typeof opened === 'string') throw missing(target, opened);
    try {
      attachTo({ ...opened, identityMount }, source, request, context);
    } finally {
      host.close(opened.parent);
    }
  } finally {
    host.close(source.file);
  }
}

/** Makes the directory that a volume is to be mounted on, where it is missing. @throws MounterError as `publish` for it. */
export async function makeTarget(target: string, context: VolumeContext): Promise<void> {
  const { host, manifest } = context;
  const identityMount = identityMountOf(target, manifest);
  refuseWithinVolume(target, identityMount);
  const opened = await openParent(target, identityMount, host.now() + lockMs, context);
  if (typeof opened === 'string') throw missing(target, opened);
  try {
    host.close(openOrMake(opened.parent, target, host));
  } finally {
    host.close(opened.parent);
  }
}

/** What the filesystem of a volume has, or the errno that it answers with; no answer where its server has none. */
export function spaceOf(path: string, context: VolumeContext): Space | string {
  const { file } = openStaged(path, context);
  try {
    return context.host.spaceOf(file);
  } finally {
    context.host.close(file);
  }
}

/** Open, with the way to it. */
interface Staged extends OpenTarget {
  readonly entry: MountEntry;
}

function openStaged(staged: string, context: VolumeContext): Staged {
  const { host } = context;
  const identityMount = identityMountOf(staged, context.manifest);
  const { steps, file } = walk(identityMount, partsBelow(identityMount, staged), host);
  const [parent, own] = steps.slice(-2);
  const entry =
    own === undefined || own.mountId === parent?.mountId ? undefined : mountEntryOf(own.mountId, context);
  // A Pod is shown no other's Secret, and no disk of the node's.
  if (file !== undefined && own !== undefined && entry !== undefined && volumeTypes.includes(entry.fstype))
    return { file, status: own, identityMount, way: steps.slice(0, -1), entry };
  if (file !== undefined) host.close(file);
  throw new MounterError('no volume is mounted there', {
    subject: staged,
    status: exitCode.system,
    errorClass: 'mount-point',
    hint: 'stage the volume first: NodeStageVolume with this path',
  });
}

/**
 * Two volumes of one name are staged on one path: the Pod that may have the one is not to see the other. Nor is one to go
 * without the security that was asked for, whoever staged it.
 */
async function refuseOtherVolume(plan: MountPlan, staged: Staged, context: VolumeContext): Promise<void> {
  const { entry } = staged;
  if (plan.driver.isSameSource(plan, entry) && plan.driver.securityNeeds(plan).length === 0) return;
  const { isMountedAlready } = await import('../steps/mounted-already.ts');
  const isAsked = await isMountedAlready(plan, entry, staged, context.host.now() + lockMs, context);
  // Its flags are for the mount on the target.
  const lack = isAsked ? await plan.driver.lackOf(plan, entry) : undefined;
  if (isAsked && lack === undefined) return;
  const how = isAsked ? `without ${lack}` : `not ${plan.source}`;
  throw new MounterError(`${entry.source} is mounted there, ${how}`, {
    subject: plan.target,
    status: exitCode.system,
    errorClass: 'mount-point',
    hint: isAsked
      ? toBeStagedAnew
      : 'give each PersistentVolume a volumeHandle of its own, and delete the Pods of the other one on this node',
  });
}

const toBeStagedAnew = 'delete the Pods of the volume on this node: then it is unstaged, and staged anew';

/** What is silent goes on when its server does; what is dead or stale never does. */
async function refuseDead(staged: string, file: Descriptor, { host }: VolumeContext): Promise<void> {
  const liveness = await host.isAlive(file, answerMs);
  if (liveness === 'alive' || liveness === 'silent') return;
  throw new MounterError(
    liveness === 'dead'
      ? "the volume's daemon is gone"
      : 'the volume is stale: its server does not know it any more',
    {
      subject: staged,
      status: exitCode.mountFailure,
      errorClass: 'stale',
      hint: toBeStagedAnew,
    },
  );
}

function attachTo(
  { parent, parentStatus, way, identityMount }: OpenParent & { readonly identityMount: string },
  { file: source, entry }: Staged,
  { target, flags }: PublishRequest,
  context: VolumeContext,
): void {
  const { host } = context;
  const file = openOrMake(parent, target, host);
  try {
    const status = host.statusOf(file);
    if (status.mountId !== parentStatus.mountId) {
      refuseOther(target, entry, flags, mountEntryOf(status.mountId, context));
      return;
    }
    checkDirectory(target, status);
    refuseWithinVolume(target, identityMount);
    const all = mountFlagNames.filter((flag) => flags.includes(flag) || entry.mountOptions.includes(flag));
    const attach = (seen: Descriptor) => host.attachCopy(source, all, seen);
    const names = { source: entry.source, target };
    const failure = attachInSight(names, { file, status, identityMount, way }, attach, manyTries, host);
    if (failure !== undefined) throw notAttached(target, failure);
  } finally {
    host.close(file);
  }
}

/** More often than a directory on the way is mounted over by chance. */
const manyTries = 20;

function openOrMake(parent: Descriptor, target: string, host: VolumeHost): Descriptor {
  const name = nameOf(target);
  const there = host.openIn(parent, name);
  if (there !== undefined) return there;
  host.makeDirectoryIn(parent, name);
  const made = host.openIn(parent, name);
  if (made !== undefined) return made;
  throw new MounterError('the directory is gone as soon as it is made', {
    subject: target,
    status: exitCode.system,
    hint: 'see who removes it, and publish the volume again',
  });
}

/** @param there what is mounted on the target. */
function refuseOther(
  target: string,
  staged: MountEntry,
  flags: readonly MountFlag[],
  there: MountEntry | undefined,
): void {
  const isSame = there?.device === staged.device && there.root === staged.root;
  const has = there?.mountOptions ?? [];
  const wanted = staged.mountOptions.includes('ro') ? [...flags, 'ro'] : flags;
  const lack = wanted.find((flag) => !has.includes(flag));
  if (isSame && lack === undefined && has.includes('ro') === wanted.includes('ro')) return;
  const how = lack === undefined ? 'read-only' : `without ${lack}`;
  throw new MounterError(
    isSame
      ? `the volume is mounted there already, ${how}`
      : `${there === undefined ? 'something else' : there.source} is mounted there already, not ${staged.source}`,
    {
      subject: target,
      status: exitCode.mountFailure,
      errorClass: 'busy',
      hint: 'unpublish it first: NodeUnpublishVolume with this path',
    },
  );
}

const attachHints: Readonly<Record<string, string>> = {
  ENOSPC: raiseLimit('fs.mount-max'),
  ENOSYS: 'a copy of a mount needs Linux 5.2',
};

function notAttached(target: string, failure: string): MounterError {
  return new MounterError(`the volume cannot be attached: ${failure}`, {
    subject: target,
    status: exitCode.system,
    errorClass: failure === 'ENOSPC' ? 'mount-max' : 'node',
    hint: attachHints[failure] ?? 'it is tried again; if that comes again, see dmesg of this node',
  });
}
