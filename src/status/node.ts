import { existsSync, realpathSync } from 'node:fs';
import { examine } from '../doctor/examination.ts';
import type { Finding } from '../doctor/finding.ts';
import type { Verdict } from '../doctor/verdict.ts';
import type { Host } from '../host/host.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import { askedOnce, type RunBounded, runBounded, runBy } from '../host/run-bounded.ts';
import { readRecord } from '../image/versions/version-record.ts';
import { currentDigest, installedDigests } from '../image/versions/versions.ts';
import type { Manifest, ManifestMount } from '../manifest/manifest.ts';
import { shippedManifest } from '../manifest/shipped.ts';
import { allTraits } from '../mount/filesystems/all.ts';
import { type Layout, versionDirectories } from '../node/layout.ts';
import type { NodeContext } from '../node/node.ts';
import { whyOff } from '../node/off.ts';
import { observeRootfs, type SeenState, statesOf } from '../prepare/mount-states.ts';
import { isPrepared, isWanted } from '../prepare/prepare.ts';
import type { RecordedCall } from '../record/parse.ts';
import { entranceInUse, wantedEnter } from '../rootfs/entrance.ts';
import {
  type LockServicesState,
  observeLockServices,
  observeSecurityServices,
  type SecurityServiceState,
} from '../services/state.ts';
import { grantsOf, noGrant, type VolumeGrant } from '../volumes/grants.ts';
import {
  askStates,
  stateMeanings,
  statfsArgv,
  type VolumeAnswer,
  type VolumeState,
} from '../volumes/states.ts';
import { type Volume, volumeDirectories, volumesOf } from '../volumes/volumes.ts';

/** What `mounter status --json` prints. */
export interface NodeStatus {
  readonly home: string;
  /** The path kubelet calls; null when nothing is there. */
  readonly executable: string | null;
  /** The digest of the rootfs in use; null when there is none. */
  readonly digest: string | null;
  /** What it was installed from; null where that is not known. */
  readonly reference: string | null;
  readonly versions: readonly string[];
  readonly isEnabled: boolean;
  /** What turns the mounter off on this node, in words; null where it is on. */
  readonly offBy: string | null;
  readonly isPrepared: boolean;
  readonly verdict: Verdict;
  /** Why mounts would fail; `mounter doctor` has more to say. */
  readonly failing: readonly Finding[];
  /** How mounts are made now, and from the next `prepare` on; null where that is not known. */
  readonly enter: { readonly inUse: 'attach' | 'chroot' | null; readonly wanted: 'attach' | 'chroot' } | null;
  /** Those that calls enter by now; none where the node is not prepared. */
  readonly mounts: readonly (ManifestMount & { readonly state: SeenState | 'skipped' })[];
  /** Null when nothing is prepared that could ask. */
  readonly lockServices: LockServicesState | null;
  /** Those of mounts with Kerberos or TLS, all of the table. */
  readonly securityServices: readonly SecurityServiceState[] | null;
  readonly volumes: readonly SeenVolume[];
}

export interface SeenVolume extends Volume, VolumeGrant {
  readonly daemon: number | null;
  readonly state: (typeof seenStates)[number];
}

/** `unknown`: only root can ask, and by a program of the rootfs. */
export const seenStates = [...(Object.keys(stateMeanings) as VolumeState[]), 'unknown'] as const;

/**
 * Looks and changes nothing. @returns within seconds, whatever hangs.
 * @param manifest undefined where none can be read: volumes are looked for where the shipped one has them.
 * @param calls of the record: what volumes were asked for.
 */
export async function observeNode(
  host: Host,
  layout: Layout,
  manifest: Manifest | undefined,
  calls: readonly RecordedCall[],
): Promise<NodeStatus> {
  const digest = currentDigest(layout);
  const offBy = whyOff(host, layout, manifest);
  const root = digest !== undefined && existsSync(layout.rootfs) ? realpathSync(layout.rootfs) : undefined;
  const entries = readMountinfo(host);
  const isInstalled = root !== undefined && manifest !== undefined;
  const way = isInstalled ? entranceInUse(root, manifest, entries, host) : undefined;
  const asUsed = way && manifest && { host, layout, manifest: { ...manifest, enter: way } };
  const isReady = asUsed !== undefined && root !== undefined && (await isPrepared(root, asUsed));
  const ask = askedOnce(runBounded);
  const asked = isReady && asUsed ? { ...asUsed, host: askedHost(host, ask) } : undefined;
  const [{ findings, ...verdict }, lockServices, securityServices, volumes] = await Promise.all([
    examine(host, layout, ask, 'verdict'),
    asked ? observeLockServices(asked) : null,
    asked ? observeSecurityServices(asked) : null,
    observeVolumes(host, layout, manifest ?? shippedManifest(), root, entries, calls),
  ]);
  return {
    home: layout.home,
    executable: existsSync(layout.executable) ? layout.executable : null,
    digest: digest ?? null,
    reference: (digest === undefined ? undefined : readRecord(layout, digest)?.reference) ?? null,
    versions: installedDigests(layout),
    isEnabled: offBy === undefined,
    offBy: offBy ?? null,
    isPrepared: isReady,
    verdict,
    failing: findings.filter(({ level }) => level === 'failing'),
    enter: manifest === undefined ? null : { inUse: way ?? null, wanted: wantedEnter(manifest, host) },
    mounts: asUsed === undefined || root === undefined ? [] : await observeMounts(root, asUsed),
    lockServices,
    securityServices,
    volumes,
  };
}

/** Of a thousand processes each is looked at once. */
function askedHost(host: Host, ask: RunBounded): Host {
  const processes = host.processes();
  return { ...host, run: runBy(ask), processes: () => processes };
}

async function observeMounts(root: string, context: NodeContext): Promise<NodeStatus['mounts']> {
  const { enter, mounts } = context.manifest;
  // What is shared is nothing that a rootfs sees where mounts are attached.
  const mounter = mounts.mounter.filter((mount) => enter === 'chroot' || mount.propagation !== 'shared');
  const states = statesOf(await observeRootfs(root, mounter, context));
  return mounter.map((mount, index) => ({
    ...mount,
    state: isWanted(mount) ? (states[index] ?? 'missing') : 'skipped',
  }));
}

async function observeVolumes(
  host: Host,
  layout: Layout,
  manifest: Manifest,
  root: string | undefined,
  entries: readonly MountEntry[],
  calls: readonly RecordedCall[],
): Promise<NodeStatus['volumes']> {
  const volumes = volumesOf(manifest, entries);
  if (volumes.length === 0) return [];
  const answers = await askVolumes(volumes, entries, root, host);
  const directories = versionDirectories(layout, host);
  const daemons = allTraits.flatMap(({ kernelTypes, daemons }) =>
    daemons(host, directories).flatMap(({ pid, target }) =>
      kernelTypes.map((fstype) => ({ pid, mount: `${fstype} ${target}` })),
    ),
  );
  const byMount = new Map(daemons.toReversed().map(({ pid, mount }) => [mount, pid]));
  const grants = grantsOf(volumes, entries, calls, volumeDirectories(manifest), host);
  return volumes.map((volume) => ({
    ...volume,
    ...(grants.get(volume.target) ?? noGrant),
    daemon: byMount.get(`${volume.fstype} ${volume.target}`) ?? null,
    state: answers.get(volume.target)?.state ?? 'unknown',
  }));
}

async function askVolumes(
  volumes: readonly Volume[],
  entries: readonly MountEntry[],
  root: string | undefined,
  host: Host,
): Promise<ReadonlyMap<string, VolumeAnswer>> {
  if (root === undefined || host.effectiveUserId() !== 0) return new Map();
  const statfs = statfsArgv(root, host);
  return statfs === undefined ? new Map() : await askStates(volumes, entries, statfs, runBounded);
}
