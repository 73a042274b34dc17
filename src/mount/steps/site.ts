import { MounterError, policyError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { isSameFile } from '../../host/host.ts';
import type {
  ApartSite,
  ChrootSite,
  FileEnd,
  MountHost,
  PlainFile,
  Privileges,
} from '../../host/mount-host.ts';
import { isErrnoException } from '../../host/system-error.ts';
import { daemonDirectories } from '../../node/layout.ts';
import { helpersPin, isPinned, notPrepared, rootfsEntrance } from '../../rootfs/entrance.ts';
import type { MountContext } from '../context.ts';
import type { MountPlan } from '../plan-data.ts';
import { nameOf, type OpenTarget, parentOf, partsBelow, walk } from './path-walk.ts';

/** Where the helper of a call mounts, and what it keeps of root's there. */
export type MountSite = (ApartSite | ChrootSite) & {
  readonly privileges: Privileges;
  /** What its file held before: nothing of that is about this call. */
  readonly before: FileEnd | undefined;
};

/**
 * A place in a mount namespace of this call's own; or, in a rootfs that is entered by chroot(2), the target itself.
 * @throws MounterError (system) where the node is not prepared for either.
 */
export function siteFor(plan: MountPlan, target: OpenTarget, context: MountContext): MountSite {
  const { host } = context;
  const pin = pinFor(plan, context);
  // On the target's own path it has to be root who goes there: the kubelet directory is closed to others.
  const privileges = pin === undefined ? { ...plan.privileges, user: 0 } : plan.privileges;
  // A helper that lacks root's capabilities writes to its own files alone: one that another way left belongs to it now.
  const { user } = privileges;
  const file = openWritten(plan, user, host) ?? openLog(plan, user, host);
  try {
    if (pin === undefined) return { ...chrootSite(plan, target, context), privileges, before: file };
    const site = host.makeApart({
      pin,
      target: plan.target,
      targetFile: target.file,
      directory: target.identityMount,
      // A daemon has sockets and dumps of its own there, what its server has sent, and its log.
      scratch: plan.leavesDaemon ? daemonDirectories : [],
      user,
      file,
    });
    return { ...site, privileges, before: file };
  } finally {
    if (file !== undefined) host.close(file.descriptor);
  }
}

/** @throws MounterError (system) as `siteFor` does: before anything is asked or started in a rootfs that is bare. */
export function requirePrepared(plan: MountPlan, target: OpenTarget, context: MountContext): void {
  if (pinFor(plan, context) === undefined) chrootSite(plan, target, context);
}

/** Undefined where the rootfs is entered by chroot(2). */
function pinFor(plan: MountPlan, { host, layout }: MountContext): string | undefined {
  const pin = helpersPin(layout.rootfs, host);
  if (pin !== undefined && !isPinned(host, pin)) throw notPrepared(plan.target);
  return pin;
}

/** The very same directory in the rootfs: that proves the identity mount, however many mounts there are. */
function chrootSite(
  plan: MountPlan,
  { file, status }: OpenTarget,
  { host, layout }: MountContext,
): ChrootSite {
  const entry = rootfsEntrance(layout.rootfs, host);
  const directory = entry.kind === 'chroot' ? entry.directory : layout.rootfs;
  if (isSameFile(status, host.lstat(directory + plan.target)))
    return { kind: 'chroot', directory, place: plan.target, targetFile: file };
  throw new MounterError('the rootfs does not see this directory: the node is not prepared', {
    subject: plan.target,
    status: exitCode.system,
    hint: 'run mounter prepare',
  });
}

/** And its path as the helper names it. */
type LogAtPath = PlainFile & { readonly path: string };

/** The host's file, for a helper that sees nothing else of the host: kubelet reads the last lines of such a log. */
function openWritten({ writtenFiles }: MountPlan, user: number, host: MountHost): LogAtPath | undefined {
  const [first, second] = writtenFiles;
  if (first === undefined) return undefined;
  if (second !== undefined)
    throw refused(second.option, 'a helper may write one file of the host, and no more');
  const { path, identityMount } = first;
  const { file: parent } = walk(identityMount, partsBelow(identityMount, path).slice(0, -1), host, 'one');
  if (parent === undefined) throw refused(first.option, 'the directory that it names does not exist');
  try {
    const file = host.openPlainFile(parent, nameOf(path), user);
    if (file !== undefined) return { ...file, path };
  } finally {
    host.close(parent);
  }
  throw refused(first.option, 'what it names is no plain file');
}

/** Its own log on the host, and nobody else's; without one, on a full disk say, it writes to what is gone with it. */
function openLog({ logFile }: MountPlan, user: number, host: MountHost): LogAtPath | undefined {
  if (logFile === undefined) return undefined;
  const { inRootfs: path, onHost } = logFile;
  const directory = onHost === path ? undefined : host.openDirectory(parentOf(onHost));
  if (directory === undefined) return undefined;
  try {
    const file = host.openPlainFile(directory, nameOf(onHost), user);
    return file && { ...file, path };
  } catch (error) {
    if (isErrnoException(error) && withoutLog.includes(error.code ?? '')) return undefined;
    throw error;
  } finally {
    host.close(directory);
  }
}

/** A disk's matter, which says nothing of the volume. */
const withoutLog = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'];

function refused(option: string, message: string): MounterError {
  return policyError(option, message, `name a file in an existing directory, or leave ${option} out`);
}
