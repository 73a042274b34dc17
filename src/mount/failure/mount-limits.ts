import type { Host } from '../../host/host.ts';

/** A volume and its copies in the peers of its mount; beyond fs.mount-max none of them is made. */
const copies = 16;

/** What an operator can do about too many mounts. */
export const raiseMountMax =
  'run mounter status to find mounts that nobody needs, or raise the limit: sysctl -w fs.mount-max=NUMBER';

/** fs.mount-max: how many mounts each mount namespace may have. */
export function mountMax(host: Host): number | undefined {
  const maximum = Number(host.readText('/proc/sys/fs/mount-max'));
  return maximum > 0 ? maximum : undefined;
}

/**
 * fs.mount-max, when this mount namespace holds as many mounts as it allows, or nearly: mount(2) then fails
 * with ENOSPC, for which a full disk of the server's is no reason.
 * @see proc(5), /proc/sys/fs/mount-max
 */
export function reachedMountMax(host: Host): number | undefined {
  const maximum = mountMax(host);
  const mountinfo = host.readText('/proc/self/mountinfo');
  if (maximum === undefined || mountinfo === undefined) return undefined;
  return mountinfo.split('\n').length - 1 + copies > maximum ? maximum : undefined;
}
