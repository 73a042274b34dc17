import { existsSync, realpathSync, rmSync } from 'node:fs';
import pRetry from 'p-retry';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host, ProcessInformation } from '../host/host.ts';
import { containingMount, isSelfBind } from '../host/mount-tree.ts';
import { type MountEntry, mountsBelow, readMountinfo } from '../host/mountinfo.ts';
import { findProgram } from '../host/programs.ts';
import { runBounded } from '../host/run-bounded.ts';
import { volumeTypes } from '../manifest/filesystem-kinds.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { failuresDirectory, versionDirectories } from '../node/layout.ts';
import type { NodeContext } from '../node/node.ts';
import { kubeletRootsFile, kubeletViewDirectory, readKubeletRoots } from '../rootfs/kubelet-chroot.ts';
import { isAtOrBelow, placeIn, processesIn, processesOfViews } from '../rootfs/root-processes.ts';
import { type RootfsProcess, roleOf, rootfsProcesses, services } from '../services/services.ts';
import { shellWord } from '../shell-word.ts';
import { type Volume, volumeDirectories, volumesBelow, volumesOf } from '../volumes/volumes.ts';
import { planHomeRemoval } from './home-mount.ts';
import { applyActions, detachActions } from './mount-actions.ts';
import { removeAllPins, unlink } from './namespace/pins.ts';
import { undoSelfBinds } from './self-binds.ts';
import { removeTree } from './undo.ts';

export interface TeardownContext extends NodeContext {
  /** Unmount the volumes too, instead of refusing while there are any. */
  readonly unmountVolumes: boolean;
  /** Leave kubelets in images at work, and what they were given, instead of refusing while there are any. */
  readonly keepKubelets: boolean;
}

/**
 * Undoes `prepare`: ends the daemons inside the rootfs, detaches what is mounted below MOUNTER_HOME, and
 * takes back the self-binds. Files stay: the rootfs, and rpc.statd's state.
 * @param done gets what was done, a line each; of volumes and daemons also where this throws.
 * @throws MounterError (system) while volumes are mounted: their locks and their daemons need the rootfs.
 */
export async function teardown(context: TeardownContext, done: string[]): Promise<void> {
  const { host, layout } = context;
  const keepsKubelet = context.keepKubelets && inKubeletRoots(context).length > 0;
  refuseOthers(context);
  await endVolumes(context, done);
  await endDaemons(context, done);
  // What has begun meanwhile, which nobody ends, would start daemons again.
  refuseOthers(context);
  done.push(...(await applyActions(planHomeRemoval(realpathSync(layout.home), readMountinfo(host)))));
  done.push(...(await removeAllPins(layout, host)));
  for (const version of versionDirectories(layout, host)) unlinkIfWritable(version);
  if (!keepsKubelet) done.push(...(await removeKubeletRoots(host)));
  // Of kubelets that stay at work; none is on record once `removeKubeletRoots` has undone their part.
  const kept = readKubeletRoots(host).map(({ kubeletDirectory }) => kubeletDirectory);
  done.push(...(await undoSelfBinds(host, kept)));
  if (!removeTree(failuresDirectory, host)) done.push(leftMounted(failuresDirectory));
}

/**
 * Whoever undoes `prepare` often removes MOUNTER_HOME next, and what is mounted in there would be emptied as well: the
 * volumes' own directory, as the original mounter's rootfs has it until a reboot, or a volume. Neither is ours to take.
 * What another mount covers is out of reach for that.
 * @throws MounterError (system) that names one.
 */
export function refuseToBeRemoved({ host, layout, manifest }: NodeContext): void {
  const home = realpathSync(layout.home);
  const entries = readMountinfo(host);
  const directories = volumeDirectories(manifest).map(({ host: name }) => ({
    name,
    at: placeIn(entries, name),
  }));
  const whatOf = ({ device, root, fstype, source }: MountEntry) =>
    volumeTypes.includes(fstype)
      ? source
      : // All of it, or a part.
        directories.find(
          ({ at }) => device === at.device && (isAtOrBelow(at.path, root) || isAtOrBelow(root, at.path)),
        )?.name;
  const shown = mountsBelow(entries, home).findLast(
    (entry) => whatOf(entry) !== undefined && containingMount(entries, entry.mountPoint) === entry,
  );
  if (shown === undefined) return;
  const { mountPoint } = shown;
  const quoted = shellWord(mountPoint);
  throw new MounterError(`shows ${whatOf(shown)}: what removes ${home} now would empty that too`, {
    subject: mountPoint,
    status: exitCode.system,
    hint: `reboot, or run mount --make-rslave ${quoted} && umount -l ${quoted}; then mounter teardown again`,
  });
}

/** A link that stays on a read-only disk leads nowhere, as it does after each boot. */
function unlinkIfWritable(version: string): void {
  try {
    unlink(version);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EROFS') throw error;
  }
}

/** Each takes its time, in which kubelet may mount others: of a node that is not drained there is no end. */
async function endVolumes(context: TeardownContext, done: string[]): Promise<void> {
  for (let turnsLeft = context.unmountVolumes ? unmountTurns : 0; ; turnsLeft -= 1) {
    let volumes = volumesNow(context);
    if (volumes.length === 0) {
      // Whatever has begun meanwhile; what it was at work on may be mounted since we looked.
      refuseOthers(context);
      volumes = volumesNow(context);
    }
    if (volumes.length === 0) return;
    if (turnsLeft === 0) throw stillMounted(volumes, context);
    // A later one may lie on an earlier.
    for (const volume of volumes.toReversed()) {
      const failure = await unmountInTime(volume.target);
      if (failure === undefined) done.push(`unmounted ${volume.target}`);
      else if (isStillThere(volume, context)) throw failure;
    }
  }
}

const unmountTurns = 3;

function volumesNow({ host, manifest }: TeardownContext): readonly Volume[] {
  const entries = readMountinfo(host);
  return [...volumesOf(manifest, entries), ...volumesOfKubelets(host, manifest, entries)];
}

/** kubelet may have unmounted it before us. */
function isStillThere({ source, target }: Volume, context: TeardownContext): boolean {
  return volumesNow(context).some((other) => other.target === target && other.source === source);
}

function stillMounted(volumes: readonly Volume[], { unmountVolumes }: TeardownContext): MounterError {
  const [first] = volumes;
  return new MounterError(
    `volumes are mounted: ${volumes.length}, such as ${first?.source} on ${first?.target}`,
    {
      subject: 'teardown',
      status: exitCode.system,
      hint: unmountVolumes
        ? 'others are mounted as fast as these are unmounted: drain the node, or stop its kubelet, then try again'
        : 'unmount them first (drain the node), or run mounter teardown --unmount-volumes',
    },
  );
}

/** What writes back to a server that does not answer may not even end by SIGKILL. @returns why it failed. */
async function unmountInTime(target: string): Promise<MounterError | undefined> {
  const ended = await runBounded([findProgram('umount'), '--no-canonicalize', target], unmountMs);
  if (ended?.status === 0) return undefined;
  return new MounterError(
    ended === undefined ? `not unmounted within ${unmountMs / 1000} s` : 'cannot be unmounted',
    {
      subject: target,
      status: exitCode.system,
      helperOutput: ended?.output ?? '',
      hint: `see who uses it, and whether its server answers; umount -f -l ${shellWord(target)} loses what was not written, then mounter teardown again`,
    },
  );
}

const unmountMs = 60_000;

/** @throws MounterError when something else runs in the rootfs: a person's shell, a helper at work. */
function refuseOthers(context: TeardownContext): void {
  const other = running(context).find(({ role }) => role === 'other');
  if (other === undefined) return;
  throw new MounterError(`process ${other.pid} (${other.name}) runs inside the rootfs`, {
    subject: 'teardown',
    status: exitCode.system,
    hint: 'end it, or wait for it to end, then try again',
  });
}

/** The processes that have to end before anything is undone. */
function running(context: TeardownContext): readonly RootfsProcess[] {
  const { host, layout, manifest, keepKubelets } = context;
  const inVersions = rootfsProcesses(host, versionDirectories(layout, host), manifest);
  if (keepKubelets) return inVersions;
  const ofKubelets = inKubeletRoots(context);
  return [...inVersions, ...ofKubelets.map((process) => ({ ...process, role: roleOf(process, manifest) }))];
}

/** Kubelets in images, and what they have started. */
function inKubeletRoots({ host }: TeardownContext): readonly ProcessInformation[] {
  const processes = host.processes();
  return [
    ...processesOfViews(host, processes),
    ...readKubeletRoots(host).flatMap(({ root }) =>
      existsSync(root) ? processesIn(host, [root], processes) : [],
    ),
  ];
}

/** Volumes below the directory of a kubelet in an image, where the manifest has another directory. */
function volumesOfKubelets(
  host: Host,
  manifest: Manifest,
  entries: readonly MountEntry[],
): readonly Volume[] {
  const known = new Set(volumesOf(manifest, entries).map(({ target }) => target));
  const directories = new Set(readKubeletRoots(host).map(({ kubeletDirectory }) => kubeletDirectory));
  return [...directories]
    .flatMap((directory) => volumesBelow({ host: directory, rootfs: directory }, entries))
    .filter(({ target }) => !known.has(target));
}

/** The image itself stays. What an earlier version has mounted in it is taken away; this one mounts nothing there. */
async function removeKubeletRoots(host: Host): Promise<readonly string[]> {
  const done: string[] = [];
  for (const { root, targets } of readKubeletRoots(host)) {
    if (targets === undefined) continue;
    const entries = readMountinfo(host);
    const binds = entries.filter((entry) => entry.mountPoint === root && isSelfBind(entry, entries));
    done.push(...(await applyActions(binds.flatMap(() => detachActions(root)))));
  }
  rmSync(kubeletRootsFile, { force: true });
  if (!removeTree(kubeletViewDirectory, host)) done.push(leftMounted(kubeletViewDirectory));
  return done;
}

function leftMounted(directory: string): string {
  return `left ${directory} as it is: something is mounted in it`;
}

async function endDaemons(context: TeardownContext, done: string[]): Promise<void> {
  const { host } = context;
  // A call that begins now is refused no more; it is not ours to end.
  const daemons = () => running(context).filter(({ role }) => role !== 'other');
  for (const { pid, role } of daemons()) {
    host.kill(pid, 'SIGTERM');
    const title = services.find((service) => service.role === role)?.title ?? role;
    done.push(`ended ${title} (process ${pid})`);
  }
  await pRetry(() => refuseRunning(daemons().length), untilDaemonsEnd).catch(() => {
    for (const { pid } of daemons()) host.kill(pid, 'SIGKILL');
  });
}

function refuseRunning(count: number): void {
  if (count > 0) throw new Error(`${count} still run`);
}

/** They end within milliseconds of SIGTERM; glusterfs flushes first. */
const untilDaemonsEnd = { retries: 50, minTimeout: 20, factor: 1.2, maxTimeout: 200, maxRetryTime: 5000 };
