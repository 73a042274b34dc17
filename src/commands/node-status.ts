import { existsSync, realpathSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import { currentDigest, installedDigests } from '../image/versions/versions.ts';
import { glusterfsDaemons } from '../mount/glusterfs.ts';
import { wantedWay } from '../rootfs/enter.ts';
import type { Layout } from '../rootfs/layout.ts';
import { type LockServicesState, observeLockServices } from '../rootfs/lock-services-state.ts';
import type { Manifest, ManifestMount } from '../rootfs/manifest.ts';
import { observeRootfs, type SeenState, statesOf } from '../rootfs/mount-states.ts';
import { isPrepared, isWanted } from '../rootfs/prepare.ts';
import { versionDirectories } from '../rootfs/version-directories.ts';
import { type Volume, volumesOf } from '../rootfs/volumes.ts';

/** What `mounter status --json` prints. */
export interface NodeStatus {
  readonly home: string;
  /** The path kubelet calls; null when nothing is there. */
  readonly executable: string | null;
  /** Of the rootfs in use; null when there is none. */
  readonly digest: string | null;
  readonly versions: readonly string[];
  /** False where the manifest turns the mounter off. */
  readonly isEnabled: boolean;
  readonly isPrepared: boolean;
  readonly mounts: readonly (ManifestMount & { readonly state: SeenState | 'skipped' })[];
  /** Null when nothing is prepared that could ask. */
  readonly lockServices: LockServicesState | null;
  readonly volumes: readonly (Volume & { readonly daemon: number | null })[];
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
  const isReady = isInstalled && (await isPrepared(root, { host, layout, manifest }));
  return {
    home: layout.home,
    executable: existsSync(layout.executable) ? layout.executable : null,
    digest: digest ?? null,
    versions: installedDigests(layout),
    isEnabled: manifest?.enabled ?? true,
    isPrepared: isReady,
    mounts: isInstalled ? await observeMounts(host, manifest, root) : [],
    lockServices: isReady ? await observeLockServices({ host, layout, manifest }) : null,
    volumes: manifest === undefined ? [] : observeVolumes(host, layout, manifest),
  };
}

async function observeMounts(host: Host, manifest: Manifest, root: string): Promise<NodeStatus['mounts']> {
  const isAttached = wantedWay(manifest, host) === 'attach';
  // What is shared is nothing that a rootfs sees where mounts are attached.
  const mounter = manifest.mounts.mounter.filter((mount) => !isAttached || mount.propagation !== 'shared');
  const states = statesOf(await observeRootfs(root, mounter, { host, manifest }));
  return mounter.map((mount, index) => ({
    ...mount,
    state: isWanted(mount) ? (states[index] ?? 'missing') : 'skipped',
  }));
}

function observeVolumes(host: Host, layout: Layout, manifest: Manifest): NodeStatus['volumes'] {
  const daemons = glusterfsDaemons(host, versionDirectories(layout));
  const byTarget = new Map(daemons.toReversed().map(({ pid, target }) => [target, pid]));
  return volumesOf(manifest, readMountinfo(host)).map((volume) => ({
    ...volume,
    daemon: (volume.fstype === 'fuse.glusterfs' && byTarget.get(volume.target)) || null,
  }));
}
