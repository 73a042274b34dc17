import { lastOption, parseOptions } from '../../arguments/options.ts';
import { requestedVersion } from './options.ts';

/** What only NFS knows: versions, lock services, and how a source is written. @see nfs(5) */

/**
 * When a mount needs rpcbind and rpc.statd on this node.
 * - `always`: it is v3, and locks go over the network.
 * - `ifNegotiated`: no version was given; mount.nfs tries 4.2, 4.1, 4.0, then 3.
 * - `never`: v4 locks inside its own protocol, and `nolock` keeps v3's on this node.
 */
export type LockServicesNeed = 'always' | 'ifNegotiated' | 'never';

/** @param fstype `nfs`, or `nfs4`, which is v4 as long as no option says otherwise. */
export function lockServicesNeed(fstype: string, options: string): LockServicesNeed {
  if (lastOption(parseOptions(options), 'lock', 'nolock')?.name === 'nolock') return 'never';
  const major = requestedMajorVersion(fstype, options);
  if (major === undefined) return 'ifNegotiated';
  return major === '4' ? 'never' : 'always';
}

/** '3' of `vers=3` or `mountvers=3`, '4' of `v4.1`; undefined when it is left to negotiation. */
export function requestedMajorVersion(fstype: string, options: string): string | undefined {
  return requestedVersion(fstype, options)?.split('.')[0];
}

/**
 * The server of `server:/path`, as mount.nfs reads it: without the brackets of an IPv6 address, and of
 * several names the first. Undefined for what it would refuse.
 */
export function nfsServer(source: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:/[\]]+)):/.exec(source) ?? [];
  if (source.startsWith('nfs://')) return undefined;
  return bracketed ?? plain?.split(',')[0];
}

/** The filesystem types under which the kernel lists an NFS mount. */
export const nfsKernelTypes: readonly string[] = ['nfs', 'nfs4'];

/**
 * `server:/path` in one form: repeated and trailing slashes gone. The server stays as it is written: two
 * names of one server are two sources, as they are for the kernel.
 */
export function canonicalNfsSource(source: string): string {
  const colon = source.startsWith('[') ? source.indexOf(']:') + 1 : source.indexOf(':');
  if (colon <= 0) return source;
  const path = source.slice(colon + 1).replace(/\/+/g, '/');
  return `${source.slice(0, colon)}:${path.length > 1 ? path.replace(/\/$/, '') : path}`;
}

/**
 * True when the NFS filesystem of `device` (`major:minor`) was mounted as v3.
 *
 * ```
 * NV SERVER   PORT DEV          FSID                              FSC
 * v3 0a090001  801 0:45         5f3c5f6d6e4c4b6e:0                no
 * ```
 * @param volumes the text of /proc/fs/nfsfs/volumes: a line for each filesystem, not for each mount.
 */
export function isVersion3Volume(volumes: string, device: string): boolean {
  return volumes.split('\n').some((line) => {
    const [version, , , dev] = line.trim().split(/\s+/);
    return version === 'v3' && dev === device;
  });
}
