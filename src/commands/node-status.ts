import { existsSync, realpathSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { currentDigest, installedDigests } from '../image/versions.ts';
import { glusterfsDaemonsOf } from '../mount/glusterfs.ts';
import { hostProcesses, rootfsProcesses } from '../rootfs/daemons.ts';
import type { Layout } from '../rootfs/layout.ts';
import { lockServicesAnswer } from '../rootfs/lock-services.ts';
import type { Manifest, ManifestMount } from '../rootfs/manifest.ts';
import { type MountState, stateOf } from '../rootfs/mounts.ts';
import { isPrepared, observe, readEntries } from '../rootfs/prepare.ts';
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
    /** rpcbind knows rpc.statd, and rpc.statd answers. */
    readonly answer: boolean;
    readonly rpcbind: LockDaemon | undefined;
    readonly statd: LockDaemon | undefined;
  };
  readonly volumes: readonly (Volume & { readonly daemon: number | undefined })[];
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
      answer:
        isReady && host.effectiveUserId() === 0 && (await lockServicesAnswer({ host, layout, manifest })),
      ...observeDaemons(host, layout, manifest),
    },
    volumes: manifest === undefined ? [] : observeVolumes(host, manifest),
  };
}

function observeMounts(host: Host, manifest: Manifest, root: string): NodeStatus['mounts'] {
  const entries = readEntries(host);
  return manifest.mounts.mounter.map((mount) => {
    const isSkipped = mount.optional && mount.host !== undefined && !existsSync(mount.host);
    return { ...mount, state: isSkipped ? 'skipped' : stateOf(observe(mount, root, host), entries) };
  });
}

function observeDaemons(
  host: Host,
  layout: Layout,
  manifest: Manifest | undefined,
): { rpcbind: LockDaemon | undefined; statd: LockDaemon | undefined } {
  if (manifest === undefined) return { rpcbind: undefined, statd: undefined };
  const versions = existsSync(layout.versions) ? realpathSync(layout.versions) : layout.versions;
  const ours = rootfsProcesses(host, versions, manifest).filter(({ isInOurNetwork }) => isInOurNetwork);
  const theirs = hostProcesses(host, manifest);
  const find = (wanted: 'rpcbind' | 'statd'): LockDaemon | undefined => {
    const own = ours.find(({ role }) => role === wanted);
    if (own !== undefined) return { pid: own.pid, owner: 'rootfs' };
    const other = theirs.find(({ role }) => role === wanted);
    return other === undefined ? undefined : { pid: other.pid, owner: 'host' };
  };
  return { rpcbind: find('rpcbind'), statd: find('statd') };
}

function observeVolumes(host: Host, manifest: Manifest): NodeStatus['volumes'] {
  return volumesOf(manifest, readEntries(host)).map((volume) => ({
    ...volume,
    daemon: volume.fstype === 'fuse.glusterfs' ? glusterfsDaemonsOf(host, volume.target)[0]?.pid : undefined,
  }));
}
