import { existsSync, realpathSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { currentDigest, installedDigests } from '../image/versions/versions.ts';
import { glusterfsDaemonsOf } from '../mount/glusterfs.ts';
import { hostProcesses, rootfsProcesses } from '../rootfs/daemons.ts';
import type { Layout } from '../rootfs/layout.ts';
import { lockServicesAnswer } from '../rootfs/lock-services.ts';
import type { Manifest, ManifestMount } from '../rootfs/manifest.ts';
import { observe } from '../rootfs/mount-points.ts';
import { type MountState, stateOf } from '../rootfs/mounts.ts';
import { isPrepared } from '../rootfs/prepare.ts';
import { type Volume, volumesOf } from '../rootfs/volumes.ts';

/** What `mounter status --json` prints. */
export interface NodeStatus {
  readonly home: string;
  /** The path kubelet calls; null when nothing is there. */
  readonly executable: string | null;
  /** Of the rootfs in use; null when there is none. */
  readonly digest: string | null;
  readonly versions: readonly string[];
  readonly isPrepared: boolean;
  readonly mounts: readonly (ManifestMount & { readonly state: MountState | 'skipped' })[];
  readonly lockServices: {
    /** rpcbind knows rpc.statd, and rpc.statd answers; null when only root could ask. */
    readonly answer: boolean | null;
    /** Null as well when it is not root who asks: only root sees where a process runs. */
    readonly rpcbind: LockDaemon | null;
    readonly statd: LockDaemon | null;
  };
  readonly volumes: readonly (Volume & { readonly daemon: number | null })[];
}

interface LockDaemon {
  readonly pid: number;
  readonly owner: 'rootfs' | 'host';
}

/** Looks and changes nothing. */
export async function observeNode(
  host: Host,
  layout: Layout,
  manifest: Manifest | undefined,
): Promise<NodeStatus> {
  const digest = currentDigest(layout);
  const root = digest !== undefined && existsSync(layout.rootfs) ? realpathSync(layout.rootfs) : undefined;
  const isInstalled = root !== undefined && manifest !== undefined;
  const isReady = isInstalled && isPrepared(root, { host, layout, manifest });
  return {
    home: layout.home,
    executable: existsSync(layout.executable) ? layout.executable : null,
    digest: digest ?? null,
    versions: installedDigests(layout),
    isPrepared: isReady,
    mounts: isInstalled ? observeMounts(host, manifest, root) : [],
    lockServices: {
      answer: await observeLocks(host, layout, isReady ? manifest : undefined),
      ...observeDaemons(host, layout, manifest),
    },
    volumes: manifest === undefined ? [] : observeVolumes(host, manifest),
  };
}

async function observeLocks(
  host: Host,
  layout: Layout,
  manifest: Manifest | undefined,
): Promise<boolean | null> {
  if (host.effectiveUserId() !== 0) return null;
  return manifest !== undefined && (await lockServicesAnswer({ host, layout, manifest }));
}

function observeMounts(host: Host, manifest: Manifest, root: string): NodeStatus['mounts'] {
  const entries = readMountinfo(host);
  return manifest.mounts.mounter.map((mount) => {
    const isSkipped = mount.optional && mount.host !== undefined && !existsSync(mount.host);
    return { ...mount, state: isSkipped ? 'skipped' : stateOf(observe(mount, root, host), entries) };
  });
}

function observeDaemons(
  host: Host,
  layout: Layout,
  manifest: Manifest | undefined,
): { rpcbind: LockDaemon | null; statd: LockDaemon | null } {
  if (manifest === undefined || host.effectiveUserId() !== 0) return { rpcbind: null, statd: null };
  const versions = existsSync(layout.versions) ? realpathSync(layout.versions) : layout.versions;
  const ours = rootfsProcesses(host, versions, manifest).filter(({ isInOurNetwork }) => isInOurNetwork);
  const theirs = hostProcesses(host, manifest);
  const find = (wanted: 'rpcbind' | 'statd'): LockDaemon | null => {
    const own = ours.find(({ role }) => role === wanted);
    if (own !== undefined) return { pid: own.pid, owner: 'rootfs' };
    const other = theirs.find(({ role }) => role === wanted);
    return other === undefined ? null : { pid: other.pid, owner: 'host' };
  };
  return { rpcbind: find('rpcbind'), statd: find('statd') };
}

function observeVolumes(host: Host, manifest: Manifest): NodeStatus['volumes'] {
  // Every process is looked at once, not once for every volume.
  const processes = host.processes();
  const once = { ...host, processes: () => processes };
  return volumesOf(manifest, readMountinfo(host)).map((volume) => ({
    ...volume,
    daemon: (volume.fstype === 'fuse.glusterfs' && glusterfsDaemonsOf(once, volume.target)[0]?.pid) || null,
  }));
}
