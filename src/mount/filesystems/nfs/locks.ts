import { type MounterError, policyError } from '../../../errors.ts';
import { statusAt } from '../../../host/mount-host.ts';
import { type MountEntry, majorMinor } from '../../../host/mountinfo.ts';
import type { NodeSettings } from '../../../manifest/manifest.ts';
import { hostPathOf } from '../../../rootfs/host-path.ts';
import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { MountContext } from '../../context.ts';
import type { Asked, LockPolicyOutcome, LockServicesNeed } from '../filesystem-driver.ts';
import { localLockOption, requestedMajorVersion } from './options.ts';

/** Locks: v4 has them in its own protocol; those of v3 need rpcbind and rpc.statd on this node, or stay on it. */

/** `ifNegotiated`: no version was given, and mount.nfs tries 4.2, 4.1, 4.0, then 3. `nolock` keeps v3's locks here. */
export function lockServicesNeed({ fstype, options }: Pick<Asked, 'fstype' | 'options'>): LockServicesNeed {
  if (lastOption(parseOptions(options), 'lock', 'nolock')?.name === 'nolock') return 'never';
  const major = requestedMajorVersion(fstype, options);
  if (major === undefined) return 'ifNegotiated';
  return major === '4' ? 'never' : 'always';
}

/**
 * Whether mount.nfs, given no version, settled for v3. Where it was run with chroot(2), and nothing ever listened on
 * rpcbind's socket, it cannot have: so a node that mounts v4 alone pays one stat(2) for this.
 */
export function hasNegotiatedVersion3(
  { target }: Asked,
  entry: MountEntry | undefined,
  { host, layout, manifest }: MountContext,
): boolean {
  if (entry !== undefined) return entry.superOptions.includes('vers=3');
  if (host.stat(hostPathOf('/run/rpcbind.sock', layout, manifest, host)) === undefined) return false;
  const volumes = host.readText('/proc/fs/nfsfs/volumes');
  if (volumes === undefined) return false;
  const status = statusAt(target, host);
  return status === undefined || isVersion3Volume(volumes, majorMinor(status.device));
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
function isVersion3Volume(volumes: string, device: string): boolean {
  return volumes.split('\n').some((line) => {
    const [version, , , dev] = line.trim().split(/\s+/);
    return version === 'v3' && dev === device;
  });
}

/** Only a mount that may come out as v3 is concerned. */
export function applyLockPolicy(
  { fstype, target, options }: Asked,
  policy: NodeSettings['policy']['locks'],
): LockPolicyOutcome {
  const asItIs: LockPolicyOutcome = { options, notices: [] };
  if (policy === 'allow-nolock' || requestedMajorVersion(fstype, options) === '4') return asItIs;
  if (policy === 'add-nolock') {
    const isSaid = lastOption(parseOptions(options), 'lock', 'nolock') !== undefined;
    return isSaid ? asItIs : withNolock(options, target);
  }
  const local = localLockOption(options);
  if (local !== undefined) throw refused(local, target);
  return asItIs;
}

function withNolock(options: string, target: string): LockPolicyOutcome {
  return {
    options: options === '' ? 'nolock' : `${options},nolock`,
    notices: [
      `${target}: added nolock, as policy.locks of the settings has it: NFSv3 locks stay on this node`,
    ],
  };
}

function refused(option: string, target: string): MounterError {
  return policyError(
    target,
    `${option} is refused: policy.locks of the settings requires locks at the server`,
    `leave ${option} out, ask for vers=4, or set policy.locks to allow-nolock`,
  );
}
