import { hostPathOf } from '../../../rootfs/host-path.ts';
import type { MountContext } from '../../context.ts';
import type { MountPlan } from '../../plan.ts';
import { isVersion3Volume } from './nfs.ts';

/**
 * Whether mount.nfs, given no version and run with chroot(2), settled for v3. Where nothing ever listened on rpcbind's
 * socket it can't have: so a node that mounts v4 alone pays one stat(2) for this.
 */
export function negotiatedVersion3(plan: MountPlan, { host, layout, manifest }: MountContext): boolean {
  if (host.stat(hostPathOf('/run/rpcbind.sock', layout, manifest, host)) === undefined) return false;
  const volumes = host.readText('/proc/fs/nfsfs/volumes');
  if (volumes === undefined) return false;
  const file = host.openDirectory(plan.target);
  if (file === undefined) return true;
  const { device } = host.statusOf(file);
  host.close(file);
  return isVersion3Volume(volumes, majorMinor(device));
}

/** `major:minor` of a device number as stat(2) gives it. @see makedev(3) */
function majorMinor(device: number): string {
  const low = device % 2 ** 32;
  const major = (Math.floor(low / 2 ** 8) % 2 ** 12) + Math.floor(device / 2 ** 44) * 2 ** 12;
  const minor = (low % 2 ** 8) + Math.floor(low / 2 ** 20) * 2 ** 8;
  return `${major}:${minor}`;
}
