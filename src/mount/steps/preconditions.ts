import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { guardedProgram } from '../../guard/guarded-program.ts';
import { type Host, isSameFile } from '../../host/host.ts';
import { requireRootfs, rootfsEntrance } from '../../rootfs/entrance.ts';
import type { MountContext } from '../context.ts';

/** What has to be there before a helper can run. */

/** @throws MounterError (system, or 126) when the rootfs or the helper in it can't be used. */
export function checkHelper(path: string, { host, layout, manifest }: MountContext): void {
  requireRootfs(host, layout);
  const helper = host.stat(`${layout.rootfs}${path}`);
  const ours = ['/proc/self/exe', layout.executable];
  if (ours.some((own) => isSameFile(helper, host.stat(own)))) throw isOurselves(`${layout.rootfs}${path}`);
  if (helper?.kind === 'file' && helper.isExecutable) {
    const isGlusterfs = Object.values(manifest.filesystems).some(
      (filesystem) => filesystem.helper === path && filesystem.kind === 'glusterfs',
    );
    if (isGlusterfs) requireGuard(layout.rootfs, host);
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
      hint: 'install a rootfs that has it: mounter install SOURCE',
    },
  );
}

/** A GlusterFS server chooses code, commands and files of its clients: see src/guard. */
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
    hint: 'install a rootfs that holds the real helper: mounter install SOURCE',
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
      hint: isOnHost
        ? 'run mounter prepare'
        : `load the kernel module that provides ${path} (for /dev/fuse: modprobe fuse)`,
    },
  );
}
