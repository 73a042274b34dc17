import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Privileges } from '../host/mount-host.ts';
import type { Filesystem, NodeSettings } from '../manifest/manifest.ts';
import { nearest } from '../nearest.ts';
import { helperNames } from './arguments/argv.ts';
import type { MountRequest } from './arguments/request.ts';
import { glusterfsHelperArgv } from './filesystems/glusterfs/glusterfs.ts';
import { lockServicesNeed } from './filesystems/nfs/nfs.ts';
import { serversOf } from './filesystems/servers.ts';
import { applyLockPolicy } from './policy/locks.ts';
import { checkPolicy, type WrittenFile } from './policy/options.ts';
import { checkSource } from './policy/sources.ts';
import { failureCacheFile } from './probe/failure-cache/file.ts';

/** All that a mount does, decided before anything is done; `--dry-run` prints it. */
export interface MountPlan {
  readonly fstype: string;
  readonly kind: Filesystem['kind'];
  readonly source: string;
  readonly target: string;
  /** The helper's path in the rootfs. */
  readonly helper: string;
  /** As the helper gets them; '' when there are none. */
  readonly options: string;
  /** The helper's mount is served by a daemon that it leaves running. */
  readonly leavesDaemon: boolean;
  /** What the helper keeps of root's where it mounts apart. */
  readonly privileges: Privileges;
  /** Where a failure of its servers is remembered for a while; undefined when none is. */
  readonly failureCache: string | undefined;
  /** What the manifest's policy has added to the request, a sentence each: said on stderr. */
  readonly notices: readonly string[];
  readonly steps: readonly MountStep[];
}

export type MountStep =
  /** The helper is there, in the rootfs that is there. */
  | { readonly kind: 'checkHelper'; readonly path: string }
  /** resolv.conf of the rootfs, where it is merged from the host's, which may have changed. */
  | { readonly kind: 'refreshResolver' }
  | { readonly kind: 'checkDevice'; readonly path: string }
  /** A directory, no symlink on the way below `identityMount`; or mounted already. */
  | { readonly kind: 'checkTarget'; readonly identityMount: string }
  /** A file that the helper is told to write: absent or a plain file, by a way that root alone can change. */
  | ({ readonly kind: 'checkFile' } & WrittenFile)
  /** Its servers were not found unreachable a moment ago. */
  | { readonly kind: 'checkServer' }
  /** rpcbind and rpc.statd answer. */
  | { readonly kind: 'provideLockServices' }
  /** argv as it is inside the rootfs. */
  | { readonly kind: 'runHelper'; readonly argv: readonly string[] }
  /** Something is mounted, and it is what was asked for. */
  | { readonly kind: 'verifyMounted' }
  /** The same as provideLockServices, when mount.nfs settled for v3. */
  | { readonly kind: 'provideLockServicesIfVersion3' }
  /** The mount comes to the target, for good. */
  | { readonly kind: 'attach' };

/**
 * The plan for the request on a node with this manifest. Pure.
 * @throws MounterError (usage) when the manifest does not offer the type, or the target is outside every
 *   identity mount.
 */
export function planMount(asked: MountRequest, manifest: NodeSettings): MountPlan {
  const filesystem = filesystemOf(asked.fstype, manifest);
  checkSource(filesystem.kind, asked, manifest.policy.sources);
  const { options, notices } =
    filesystem.kind === 'nfs'
      ? applyLockPolicy(asked, manifest.policy.locks)
      : { options: asked.options, notices: [] };
  const request = { ...asked, options };
  const locks = filesystem.kind === 'nfs' ? lockServicesNeed(request.fstype, request.options) : 'never';
  const steps: MountStep[] = [
    { kind: 'checkHelper', path: filesystem.helper },
    ...filesystem.devices.map((path) => ({ kind: 'checkDevice', path }) as const),
    { kind: 'checkTarget', identityMount: identityMountOf(request.target, manifest) },
    ...checkPolicy(filesystem.kind, request, manifest).map(
      (file) => ({ kind: 'checkFile', ...file }) as const,
    ),
  ];
  if (manifest.resolver.mode === 'merge' && !request.isFake) steps.push({ kind: 'refreshResolver' });
  const failureCache = request.isFake ? undefined : failureCacheOf(filesystem.kind, request, manifest);
  if (failureCache !== undefined) steps.push({ kind: 'checkServer' });
  if (locks === 'always' && !request.isFake) steps.push({ kind: 'provideLockServices' });
  const argv = helperArgv(filesystem, request);
  // mount.glusterfs has no -f: there the fake mount ends with the checks.
  if (filesystem.kind !== 'glusterfs' || !request.isFake) steps.push({ kind: 'runHelper', argv });
  if (!request.isFake) steps.push({ kind: 'verifyMounted' });
  if (locks === 'ifNegotiated' && !request.isFake) steps.push({ kind: 'provideLockServicesIfVersion3' });
  if (!request.isFake) steps.push({ kind: 'attach' });
  return {
    fstype: request.fstype,
    kind: filesystem.kind,
    source: request.source,
    target: request.target,
    helper: filesystem.helper,
    options: request.options,
    leavesDaemon: filesystem.kind === 'glusterfs',
    privileges: privileges[filesystem.kind],
    failureCache,
    notices,
    steps,
  };
}

function filesystemOf(fstype: string, manifest: NodeSettings): Filesystem {
  const filesystem = Object.hasOwn(manifest.filesystems, fstype) ? manifest.filesystems[fstype] : undefined;
  if (filesystem !== undefined) return filesystem;
  const offered = Object.keys(manifest.filesystems);
  const near = nearest(fstype, offered);
  throw new MounterError(`filesystem type not offered by the manifest`, {
    subject: fstype,
    status: exitCode.usage,
    hint: helperNames.some((name) => name === `mount.${fstype}`)
      ? `this node is to mount none: filesystems.${fstype} of the manifest is null or missing; offered are ${offered.join(', ')}`
      : near === undefined
        ? `offered are ${offered.join(', ')}`
        : `did you mean ${near}? Offered are ${offered.join(', ')}`,
  });
}

function failureCacheOf(
  kind: Filesystem['kind'],
  { source, options }: MountRequest,
  { limits }: NodeSettings,
): string | undefined {
  if (limits.failureCacheSeconds === 0) return undefined;
  const servers = serversOf(kind, source, options);
  return servers === undefined ? undefined : failureCacheFile(kind, servers);
}

/** The shared directory that holds `target`: only what is below one can appear on the host. */
function identityMountOf(target: string, manifest: NodeSettings): string {
  const directories = manifest.mounts.mounter
    .filter((mount) => mount.propagation === 'shared' && mount.host === mount.rootfs)
    .map((mount) => mount.rootfs);
  const found = directories.find((directory) => target.startsWith(`${directory}/`));
  if (found !== undefined) return found;
  throw new MounterError('the target is not below a directory that volumes may be mounted in', {
    subject: target,
    status: exitCode.usage,
    errorClass: 'mount-point',
    hint: `mount below ${directories.join(' or ')}, or add the directory to mounts.mounter of the manifest, "shared" as ${directories[0]} is, and run mounter prepare`,
  });
}

/**
 * argv for the helper, e.g. `['/sbin/mount.nfs', 'srv:/x', '/m', '-o', 'vers=3']`. Source and target come
 * first, before getopt(3) could take them for anything else.
 * @see mount(8) "EXTERNAL HELPERS"
 */
function helperArgv({ helper, kind }: Filesystem, request: MountRequest): readonly string[] {
  if (kind === 'glusterfs') return glusterfsHelperArgv(helper, request);
  const options = request.options === '' ? [] : ['-o', request.options];
  return [helper, request.source, request.target, ...request.helperFlags, ...options];
}

/** mount(2), and a port below 1024, which servers ask for. */
const capabilities = ['SYS_ADMIN', 'NET_BIND_SERVICE'];

/**
 * A number that no user and no group has: glusterfs writes it as one of 31 bits. Whoever has the ids of another process
 * may go through its /proc/PID/root, to all files that it sees, and root's processes without capabilities let every
 * root do so: hence a group that none of them has. @see ptrace(2) "Ptrace access mode checking"
 */
const nobodysId = 2_147_400_107;

/**
 * What each kind of helper needs of root. mount.nfs refuses to mount for anybody else. A glusterfs daemon reads
 * /proc/PID/status of whoever uses its volume, for supplementary groups: it has a procfs, in which root could change
 * settings of the kernel.
 */
const privileges: Readonly<Record<Filesystem['kind'], Privileges>> = {
  nfs: { capabilities, user: 0, group: nobodysId },
  glusterfs: { capabilities, user: nobodysId, group: nobodysId },
  generic: { capabilities, user: 0, group: nobodysId },
};
