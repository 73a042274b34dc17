import { existsSync, realpathSync, rmSync } from 'node:fs';
import pRetry from 'p-retry';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host, ProcessInformation } from '../host/host.ts';
import { isSelfBind } from '../host/mount-tree.ts';
import { type MountEntry, mountsBelow, readMountinfo } from '../host/mountinfo.ts';
import { runProgram } from '../host/run-program.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { failuresDirectory, versionDirectories } from '../node/layout.ts';
import type { NodeContext } from '../node/node.ts';
import { kubeletRootsFile, kubeletViewDirectory, readKubeletRoots } from '../rootfs/kubelet-chroot.ts';
import { isAtOrBelow, placeIn, processesIn, processesOfViews } from '../rootfs/root-processes.ts';
import { type RootfsProcess, roleOf, rootfsProcesses, services } from '../services/services.ts';
import { type Volume, volumeDirectories, volumesBelow, volumesOf } from '../volumes/volumes.ts';
import { planHomeRemoval } from './home-mount.ts';
import { applyActions, detachActions } from './mount-actions.ts';
import { removeAllPins, unlink } from './namespace/pins.ts';
import { undoSelfBinds } from './self-binds.ts';

export interface TeardownContext extends NodeContext {
  /** Unmount the volumes too, instead of refusing while there are any. */
  readonly unmountVolumes: boolean;
  /** Leave kubelets in images at work, and what they were given, instead of refusing while there are any. */
  readonly keepKubelets: boolean;
}

/**
 * Undoes `prepare`: ends the daemons inside the rootfs, detaches what is mounted below MOUNTER_HOME, and
 * takes back the self-binds. Files stay: the rootfs, and rpc.statd's state.
 * @returns what was done, a line each.
 * @throws MounterError (system) while volumes are mounted: their locks and their daemons need the rootfs.
 */
export async function teardown(context: TeardownContext): Promise<readonly string[]> {
  const { host, layout } = context;
  const done: string[] = [];
  const keepsKubelet = context.keepKubelets && inKubeletRoots(context).length > 0;
  refuseOthers(context);
  await endVolumes(context, done);
  await endDaemons(context, done);
  done.push(...(await applyActions(planHomeRemoval(realpathSync(layout.home), readMountinfo(host)))));
  done.push(...(await removeAllPins(host)));
  for (const version of versionDirectories(layout, host)) unlinkIfWritable(version);
  if (!keepsKubelet) done.push(...(await removeKubeletRoots(host)));
  // Of kubelets that stay at work; none is on record once `removeKubeletRoots` has undone their part.
  const kept = readKubeletRoots(host).map(({ kubeletDirectory }) => kubeletDirectory);
  done.push(...(await undoSelfBinds(host, kept)));
  rmSync(failuresDirectory, { recursive: true, force: true, maxRetries: 3 });
  return done;
}

/**
 * Whoever undoes `prepare` often removes MOUNTER_HOME next. Where the volumes' own directory is mounted in there, that
 * would be emptied as well: the original mounter's rootfs has such binds until a reboot, which are not ours to take.
 * @throws MounterError (system) that names one.
 */
export function refuseToBeRemoved({ host, layout, manifest }: NodeContext): void {
  const home = realpathSync(layout.home);
  const entries = readMountinfo(host);
  for (const { host: directory } of volumeDirectories(manifest)) {
    const { device, path } = placeIn(entries, directory);
    // All of it, or a part.
    const shown = mountsBelow(entries, home).findLast(
      ({ device: other, root }) => other === device && (isAtOrBelow(path, root) || isAtOrBelow(root, path)),
    );
    if (shown === undefined) continue;
    const { mountPoint } = shown;
    throw new MounterError(
      `shows ${directory}: what removes ${home} now would empty that too, with all volumes in it`,
      {
        subject: mountPoint,
        status: exitCode.system,
        hint: `reboot, or run mount --make-rslave ${mountPoint} && umount -l ${mountPoint}; then mounter teardown again`,
      },
    );
  }
}

/** A link that stays on a read-only disk leads nowhere, as it does after each boot. */
function unlinkIfWritable(version: string): void {
  try {
    unlink(version);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EROFS') throw error;
  }
}

async function endVolumes(
  { host, manifest, unmountVolumes }: TeardownContext,
  done: string[],
): Promise<void> {
  const entries = readMountinfo(host);
  const volumes = [...volumesOf(manifest, entries), ...volumesOfKubelets(host, manifest, entries)];
  const [first] = volumes;
  if (first === undefined) return;
  if (!unmountVolumes) {
    throw new MounterError(
      `volumes are mounted: ${volumes.length}, such as ${first.source} on ${first.target}`,
      {
        subject: 'teardown',
        status: exitCode.system,
        hint: 'unmount them first (drain the node), or run mounter teardown --unmount-volumes',
      },
    );
  }
  for (const { target } of volumes) {
    await runProgram('umount', ['--no-canonicalize', target]);
    done.push(`unmounted ${target}`);
  }
}

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
  const known = volumesOf(manifest, entries).map(({ target }) => target);
  const directories = new Set(readKubeletRoots(host).map(({ kubeletDirectory }) => kubeletDirectory));
  return [...directories]
    .flatMap((directory) => volumesBelow({ host: directory, rootfs: directory }, entries))
    .filter(({ target }) => !known.includes(target));
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
  rmSync(kubeletViewDirectory, { recursive: true, force: true });
  return done;
}

async function endDaemons(context: TeardownContext, done: string[]): Promise<void> {
  const { host } = context;
  for (const { pid, role } of running(context)) {
    host.kill(pid, 'SIGTERM');
    const title = services.find((service) => service.role === role)?.title ?? role;
    done.push(`ended ${title} (process ${pid})`);
  }
  await pRetry(() => refuseRunning(running(context).length), untilDaemonsEnd).catch(() => {
    for (const { pid } of running(context)) host.kill(pid, 'SIGKILL');
  });
}

function refuseRunning(count: number): void {
  if (count > 0) throw new Error(`${count} still run`);
}

/** They end within milliseconds of SIGTERM; glusterfs flushes first. */
const untilDaemonsEnd = { retries: 50, minTimeout: 20, factor: 1.2, maxTimeout: 200, maxRetryTime: 5000 };
