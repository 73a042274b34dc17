import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { isGuardPlaced, placeGuard } from '../guard/place.ts';
import type { Host } from '../host/host.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import { writeAtomically } from '../host/replace.ts';
import type { Manifest, ManifestMount } from '../manifest/manifest.ts';
import { isShared } from '../manifest/shared-mounts.ts';
import { isGuardNeeded } from '../mount/filesystems/all.ts';
import { failuresDirectory, type Layout, targetLocksFile } from '../node/layout.ts';
import { makeRunDirectory, removeOldLocks } from '../node/lock.ts';
import type { NodeContext } from '../node/node.ts';
import { checkSettings, settingsFile } from '../node/settings.ts';
import { closeVersions } from '../node/version-directories.ts';
import { copyNodeFiles, writtenFiles } from '../resolver/node-files.ts';
import { refreshResolvConf } from '../resolver/refresh.ts';
import { wantedEnter } from '../rootfs/entrance.ts';
import { isAtOrBelow } from '../rootfs/root-processes.ts';
import { startStatdScript } from '../services/start-statd.ts';
import { planExecutableHome, planHome } from './home-mount.ts';
import { applyActions, detachActions, type MountAction } from './mount-actions.ts';
import { makeHostPath, makeMountPoint, observe } from './mount-points.ts';
import { isInPlace } from './mount-states.ts';
import { mountsAboveVolumes, planRootfsMount } from './mounts.ts';
import { unlink } from './namespace/pins.ts';
import { isHelpersViewInPlace, prepareNamespaces } from './namespace/prepare.ts';
import { mountsOfView, wantedMounts } from './namespace/views.ts';
import { forbidSymlinks, shareDirectory } from './share-directory.ts';
import { layOrUndo } from './undo.ts';

/** Making a node ready for mounts. Every step looks first: a second run finds nothing to do. */

/**
 * Gives the rootfs in `root` all that its helpers need. Where calls have entered it otherwise until now, they go on
 * doing so until all is in place; `retireOldVersions` takes the old entrance away.
 * @param root `versions/<digest>`, without symlinks.
 * @returns what was done, a line each; nothing where all was in place.
 * @throws MounterError that names the directory. Nothing is mounted then that was not mounted before.
 */
export function prepareRootfs(root: string, context: NodeContext): Promise<readonly string[]> {
  return layOrUndo(context, () => layRootfs(root, context));
}

async function layRootfs(root: string, context: NodeContext): Promise<readonly string[]> {
  const { host, layout, manifest } = context;
  // Daemons that are not root have to read what is made here.
  process.umask(0o022);
  makeRunDirectory();
  removeOldLocks();
  makeTargetLocks();
  emptyFailures();
  const done = [...closeVersions(layout)];
  done.push(...(await applyActions(planHomeOf(context, readMountinfo(host)))));
  done.push(...writeStartStatd(context));
  if (isGuardNeeded(manifest)) done.push(...(await guardGlusterfs(root, host)));
  done.push(...makeResolvConf(root, context));
  for (const path of writtenFiles(root)) removeUnfinished(path);
  done.push(...copyNodeFiles(root, context));
  // Calls enter by them from the moment that they are whole: nothing fails after that.
  const layMounts = wantedEnter(manifest, host) === 'chroot' ? layOnHost : layInNamespaces;
  done.push(...(await layMounts(root, context)));
  return done;
}

/** A glusterfs that does not run with it does not run: NFS does. */
async function guardGlusterfs(root: string, host: Host): Promise<readonly string[]> {
  const { done, failure } = await placeGuard(root, host);
  if (failure === undefined) return done;
  return [...done, `which does not run with its guard, so that GlusterFS cannot be mounted: ${failure}`];
}

/** A changed script gets a file of its own: sh reads the old one while it runs. @returns what was done, a line each. */
function writeStartStatd({ host, layout, manifest }: NodeContext): readonly string[] {
  const script = startStatdScript(manifest);
  if (host.readText(layout.startStatd) === script) return [];
  writeAtomically(layout.startStatd, script, 0o755);
  return [`wrote ${layout.startStatd}`];
}

/** What has to be mounted for MOUNTER_HOME itself. */
export function planHomeOf(
  { manifest, layout, host }: NodeContext,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  const home = realpathSync(layout.home);
  return wantedEnter(manifest, host) === 'chroot'
    ? planHome(home, entries)
    : planExecutableHome(home, entries);
}

/** A rootfs that is entered by chroot(2) has its mounts on the host. Calls enter it once all of them are there. */
async function layOnHost(root: string, { host, layout, manifest }: NodeContext): Promise<readonly string[]> {
  if (!isAtOrBelow(root, `${realpathSync(layout.home)}/versions`))
    throw liesElsewhere(root, layout, manifest);
  const done: string[] = [];
  const apply = async (actions: readonly MountAction[]) => {
    done.push(...(await applyActions(actions)));
  };
  for (const mount of wantedMounts(layout, manifest)) {
    await apply(uncoverActions(mount, root, readMountinfo(host)));
    if (!makeHostPath(mount, root)) continue;
    if (isShared(mount) && mount.host !== undefined) {
      const directory = { host: realpathSync(mount.host), rootfs: mount.rootfs };
      done.push(...(await shareDirectory(directory, host)));
    }
    const observed = observe(mount, root, host);
    makeMountPoint(mount, root);
    await apply(planRootfsMount(observed, readMountinfo(host)));
    if (!isShared(mount)) continue;
    const { source = '', target } = observed;
    const above = mountsAboveVolumes(source, readMountinfo(host)).map(({ mountPoint }) => mountPoint);
    for (const path of [source, ...above])
      done.push(...(await forbidSymlinks(`${target}${path.slice(source.length)}`, host)));
  }
  unlink(root);
  return done;
}

/** Who takes MOUNTER_HOME away would not find these mounts, and what removes that directory would empty kubelet's. */
function liesElsewhere(root: string, { home, versions }: Layout, { enter }: Manifest): MounterError {
  const isAll = realpathSync(versions) !== `${realpathSync(home)}/versions`;
  const mend = isAll
    ? `put a bind mount in the place of the symlink ${versions} (mount --bind)`
    : `move it to ${versions}, in the place of the symlink`;
  return new MounterError(
    'lies outside of MOUNTER_HOME, by a symlink: entered by chroot(2), it has mounts that teardown would not find',
    {
      subject: root,
      status: exitCode.system,
      hint: enter === 'chroot' ? `${mend}, or take "enter": "chroot" out of the settings` : mend,
    },
  );
}

/** A full /run has no room for a file when a mount needs it. */
function makeTargetLocks(): void {
  closeSync(openSync(targetLocksFile, 'a', 0o600));
}

/** Whoever prepares a node has changed something; a server that was out of reach may be in reach now. Mounts go on. */
function emptyFailures(): void {
  mkdirSync(failuresDirectory, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(failuresDirectory)) rmSync(`${failuresDirectory}/${name}`, { force: true });
}

/** A rootfs with mount namespaces of its own has nothing mounted on the host. */
async function layInNamespaces(root: string, context: NodeContext): Promise<readonly string[]> {
  const { layout, manifest } = context;
  // A directory of targets is needed when a mount comes, and kubelet may be the one who makes it.
  const mounts = wantedMounts(layout, manifest).filter(
    (mount) => (isShared(mount) && mount.create === undefined) || makeHostPath(mount, root),
  );
  return prepareNamespaces(root, mounts, context);
}

/** Leaves the checked settings for later mounts. It is not told as something that was done. */
export async function rememberSettings({ host, layout }: NodeContext): Promise<void> {
  const { text } = await checkSettings(host, layout);
  if (host.readText(settingsFile) !== text) writeAtomically(settingsFile, text, 0o644);
}

/** A host directory that was removed is mounted still, and hides what the image has for a new one. */
function uncoverActions(
  mount: ManifestMount,
  root: string,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  if (mount.create === undefined || mount.host === undefined || existsSync(mount.host)) return [];
  const target = `${root}${mount.rootfs}`;
  return entries.filter(({ mountPoint }) => mountPoint === target).flatMap(() => detachActions(target));
}

/** @returns what was done, a line each. */
function makeResolvConf(root: string, context: NodeContext): readonly string[] {
  const path = `${root}/etc/resolv.conf`;
  removeUnfinished(path);
  const made = refreshResolvConf(root, context);
  const status = lstatSync(path, { throwIfNoEntry: false });
  // kubelet makes it 0600, which rpc.statd and sm-notify, who are not root, cannot read.
  if (status?.isFile() && (status.mode & 0o444) !== 0o444) chmodSync(path, status.mode | 0o444);
  if (made === undefined) return [];
  const { mode, nameservers } = context.manifest.resolver;
  const from = mode === 'merge' || nameservers.length > 0 ? "the settings' and the host's" : "the host's";
  return [`wrote ${path} from ${from}`, ...made.dropped.map((what) => `left out of ${path}: ${what}`)];
}

/** Removes what a killed process has left of the file; nothing where its directory is missing. */
function removeUnfinished(path: string): void {
  if (!existsSync(dirname(path))) return;
  for (const name of readdirSync(dirname(path)).filter((one) => one.startsWith(`${basename(path)}.new`)))
    rmSync(`${dirname(path)}/${name}`, { force: true });
}

/** Whether every mount of the manifest is in place for `root`, and its start-statd. */
export async function isPrepared(root: string, context: NodeContext): Promise<boolean> {
  const { host, manifest } = context;
  if (planHomeOf(context, readMountinfo(host)).length > 0) return false;
  if (isGuardNeeded(manifest) && !(await isGuardPlaced(root))) return false;
  return (await isInPlace(root, mountsSeen(context), context)) && (await canMount(root, context));
}

/**
 * Whether mounts can be made in the rootfs, which happens in another view of it than the one that services have.
 * @param isToLookAt may leave out mounts of the view.
 */
export async function canMount(
  root: string,
  context: NodeContext,
  isToLookAt: (mount: ManifestMount) => boolean = () => true,
): Promise<boolean> {
  if (wantedEnter(context.manifest, context.host) === 'chroot') return true;
  return isHelpersViewInPlace(root, presentMounts(context).filter(isToLookAt), context);
}

/** The mounts that a rootfs has where it is entered for services. */
export function mountsSeen(context: NodeContext): readonly ManifestMount[] {
  const mounts = presentMounts(context);
  return wantedEnter(context.manifest, context.host) === 'chroot' ? mounts : mountsOfView('services', mounts);
}

function presentMounts({ layout, manifest }: NodeContext): readonly ManifestMount[] {
  return wantedMounts(layout, manifest).filter(isWanted);
}

/** An optional mount is left out where the host has nothing to mount. */
export function isWanted({ optional, host }: ManifestMount): boolean {
  return !optional || host === undefined || existsSync(host);
}
