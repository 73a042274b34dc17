import { MounterError, policyError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { type Host, isSameFile } from '../../host/host.ts';
import { installAgain, requireRootfs, rootfsEntrance } from '../../rootfs/entrance.ts';
import { guardedProgram } from '../../rootfs/guarded-program.ts';
import type { MountContext } from '../context.ts';
import type { WrittenFile } from '../plan-data.ts';
import { partsBelow, walk } from './path-walk.ts';

/** What has to be there before a helper can run. */

/**
 * @param isGuarded its servers choose what its daemon does: see src/guard.
 * @throws MounterError (system, or 126) when the rootfs or the helper in it cannot be used.
 */
export function checkHelper(path: string, isGuarded: boolean, { host, layout }: MountContext): void {
  requireRootfs(host, layout);
  const helper = host.stat(`${layout.rootfs}${path}`);
  const ours = ['/proc/self/exe', layout.executable];
  if (ours.some((own) => isSameFile(helper, host.stat(own)))) throw isOurselves(`${layout.rootfs}${path}`);
  if (helper?.kind === 'file' && helper.isExecutable) {
    if (isGuarded) requireGuard(layout.rootfs, host);
    return;
  }
  throw new MounterError(
    helper === undefined
      ? 'the mount helper is missing in the rootfs'
      : 'the mount helper in the rootfs is not an executable file',
    {
      subject: `${layout.rootfs}${path}`,
      status: exitCode.system,
      errorClass: 'helper-missing',
      hint: installAgain,
    },
  );
}

function requireGuard(rootfs: string, host: Host): void {
  if (host.readLink(`${rootfs}${guardedProgram}`) !== undefined) return;
  throw new MounterError('the glusterfs of the rootfs is not guarded from its servers', {
    subject: rootfs,
    status: exitCode.system,
    errorClass: 'node',
    hint: 'run mounter prepare',
  });
}

/** The host's helper may be this executable; the rootfs's never, or it would call itself for ever. */
function isOurselves(subject: string): MounterError {
  return new MounterError('the mount helper in the rootfs is mounter itself', {
    subject,
    status: exitCode.system,
    hint: 'run mounter install SOURCE, with a rootfs that holds the real helper',
  });
}

/** @throws MounterError (system) when the helper would not find its device. */
export function checkDevice(path: string, { host, layout }: MountContext): void {
  const isOnHost = host.stat(path)?.kind === 'device';
  const entry = rootfsEntrance(layout.rootfs, host);
  // In a mount namespace `prepare` has made it.
  const isThere = entry.kind !== 'chroot' || host.stat(`${entry.directory}${path}`)?.kind === 'device';
  if (isOnHost && isThere) return;
  throw new MounterError(
    isOnHost
      ? 'the device is not in the rootfs: the node is not prepared'
      : 'the device is missing on this node',
    {
      subject: path,
      status: exitCode.system,
      errorClass: 'node',
      hint: isOnHost ? 'run mounter prepare' : deviceHint(path),
    },
  );
}

/** What to do about a device that the node lacks. */
export function deviceHint(device: string): string {
  return device === '/dev/fuse' ? 'run modprobe fuse' : `load the kernel module that provides ${device}`;
}

/**
 * A helper opens the file as root and follows symlinks: so others may write in no directory on the way, none may lie on
 * a volume, and the file may be no symlink, device or pipe.
 * @throws MounterError (usage, class `policy`)
 */
export function checkFile({ option, path, identityMount }: WrittenFile, { host }: MountContext): void {
  const names = partsBelow(identityMount, path);
  const { steps, file: opened } = walk(identityMount, names, host, 'one');
  if (opened !== undefined) host.close(opened);
  const [first] = steps;
  const isOnVolume = steps.some(({ mountId }) => mountId !== first?.mountId);
  const isChangeable = steps
    .slice(0, names.length)
    .some(({ kind, isRootOnly }) => kind !== 'directory' || !isRootOnly);
  const file = steps[names.length];
  if (!isOnVolume && !isChangeable && (file === undefined || file.kind === 'file')) return;
  throw policyError(
    option,
    'the file that it names lies behind a symlink, on a volume, or where others than root can write',
    `leave ${option} out, or write ${option}=${identityMount}/plugins/kubernetes.io/glusterfs/VOLUME/NAME.log, in a directory that exists`,
  );
}
