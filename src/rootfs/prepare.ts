import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { writeAtomically } from '../host/files.ts';
import type { Host } from '../host/host.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import { planExecutableHome, planHome } from './home-mount.ts';
import { failuresDirectory, type Layout, runDirectory } from './layout.ts';
import { isOnLocalFilesystem } from './local-filesystem.ts';
import type { Manifest, ManifestMount } from './manifest.ts';
import { applyActions, detachActions, type MountAction } from './mount-actions.ts';
import { makeHostPath, makeMountPoint, observe } from './mount-points.ts';
import { isInPlace } from './mount-states.ts';
import { planRootfsMount } from './mounts.ts';
import { unlink } from './namespace/pins.ts';
import { prepareNamespace } from './namespace/prepare.ts';
import { forbidSymlinks } from './no-symlinks.ts';
import { startStatdMount, writeStartStatd } from './place-start-statd.ts';
import { refreshResolvConf } from './resolver/refresh.ts';
import { recordSelfBind } from './self-binds.ts';
import { settingsFile, settingsText } from './settings.ts';
import { planShared } from './shared-mount.ts';

/** Making a node ready for mounts. Every step looks first: a second run finds nothing to do. */

export interface PrepareContext {
  readonly host: Host;
  readonly layout: Layout;
  readonly manifest: Manifest;
}

/**
 * Shares the kubelet directory with the rootfs in `root` and gives it all that its helpers need. Another way to
 * enter it stays usable until the new one is whole; `takeOver` takes it away.
 * @param root `versions/<digest>`, without symlinks.
 * @returns what was done, a line each; nothing where all was in place.
 * @throws MounterError that names the directory. What was done until then stays and is found by the next run.
 */
export async function prepareRootfs(
  root: string,
  { host, layout, manifest }: PrepareContext,
): Promise<readonly string[]> {
  const context = { host, layout, manifest };
  // What is made here is for daemons that are not root.
  process.umask(0o022);
  mkdirSync(runDirectory, { recursive: true, mode: 0o755 });
  emptyFailures();
  const done = [...(await applyActions(planHomeOf(manifest, layout, readMountinfo(host))))];
  done.push(...writeStartStatd(context));
  const layMounts = manifest.enter === 'chroot' ? layOnHost : layInNamespace;
  done.push(...(await layMounts(root, context)));
  done.push(...makeResolvConf(root, context));
  return done;
}

/** What home itself has to be. */
export function planHomeOf(
  { enter }: Pick<Manifest, 'enter'>,
  layout: Layout,
  entries: readonly MountEntry[],
): readonly MountAction[] {
  const home = realpathSync(layout.home);
  return enter === 'chroot' ? planHome(home, entries) : planExecutableHome(home, entries);
}

/** Where the rootfs is entered by chroot(2), it has its mounts on the host. Calls enter so when all are there. */
async function layOnHost(
  root: string,
  { host, layout, manifest }: PrepareContext,
): Promise<readonly string[]> {
  const done: string[] = [];
  const apply = async (actions: readonly MountAction[]) => {
    done.push(...(await applyActions(actions)));
  };
  for (const mount of wantedMounts(layout, manifest)) {
    await apply(uncoverActions(mount, root, readMountinfo(host)));
    if (!makeHostPath(mount, root)) continue;
    if (mount.propagation === 'shared') await apply(shareActions(mount, readMountinfo(host)));
    const observed = observe(mount, root, host);
    makeMountPoint(observed, root);
    await apply(planRootfsMount(observed, readMountinfo(host)));
    if (mount.propagation === 'shared') done.push(...(await forbidSymlinks(observed.target, host)));
  }
  unlink(root);
  return done;
}

/** Whoever prepares a node has changed something, perhaps what a server was not reachable for. Mounts go on meanwhile. */
function emptyFailures(): void {
  mkdirSync(failuresDirectory, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(failuresDirectory)) rmSync(`${failuresDirectory}/${name}`, { force: true });
}

/** Where it has a mount namespace, the host has but the shared directories. */
async function layInNamespace(root: string, context: PrepareContext): Promise<readonly string[]> {
  const { host, layout, manifest } = context;
  const done: string[] = [];
  const mounts = wantedMounts(layout, manifest).filter((mount) => makeHostPath(mount, root));
  for (const mount of mounts)
    if (mount.propagation === 'shared')
      done.push(...(await applyActions(shareActions(mount, readMountinfo(host)))));
  return [...done, ...(await prepareNamespace(root, mounts, context))];
}

/** Those of the manifest, and the start-statd that is ours. */
export function wantedMounts(layout: Layout, manifest: Manifest): readonly ManifestMount[] {
  return [...manifest.mounts.mounter, startStatdMount(layout, manifest)];
}

/** For the mounts to come; not worth a line. */
export function rememberSettings({ host, layout, manifest }: PrepareContext): void {
  const isLogLocal = isOnLocalFilesystem(host, manifest.log.file, readMountinfo(host));
  const text = settingsText(host, layout, manifest, isLogLocal);
  if (text !== undefined && host.readText(settingsFile) !== text) writeAtomically(settingsFile, text, 0o644);
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

function shareActions(mount: ManifestMount, entries: readonly MountEntry[]): readonly MountAction[] {
  if (mount.host === undefined) return [];
  const directory = { host: realpathSync(mount.host), rootfs: mount.rootfs };
  const actions = planShared(directory, entries);
  if (actions.some(({ kind }) => kind === 'bind')) recordSelfBind(directory.host);
  return actions;
}

/** @returns what was done, a line each. */
function makeResolvConf(root: string, context: PrepareContext): readonly string[] {
  const path = `${root}/etc/resolv.conf`;
  removeUnfinished(path);
  const made = refreshResolvConf(root, context);
  const status = lstatSync(path, { throwIfNoEntry: false });
  // kubelet makes it 0600, which rpc.statd and sm-notify, who are not root, cannot read.
  if (status?.isFile() && (status.mode & 0o444) !== 0o444) chmodSync(path, status.mode | 0o444);
  if (made === undefined) return [];
  const from = context.manifest.resolver.mode === 'merge' ? "the manifest's and the host's" : "the host's";
  return [`wrote ${path} from ${from}`, ...made.dropped.map((what) => `left out of ${path}: ${what}`)];
}

/** What a killed process left of it. */
function removeUnfinished(path: string): void {
  for (const name of readdirSync(dirname(path)).filter((one) => one.startsWith(`${basename(path)}.new`)))
    rmSync(`${dirname(path)}/${name}`, { force: true });
}

/** Whether every mount of the manifest is in place for `root`, and its start-statd. */
export async function isPrepared(root: string, context: PrepareContext): Promise<boolean> {
  const { host, layout, manifest } = context;
  if (planHomeOf(manifest, layout, readMountinfo(host)).length > 0) return false;
  return isInPlace(root, wantedMounts(layout, manifest).filter(isWanted), context);
}

/** What the host lacks is left out, where it may. */
export function isWanted({ optional, host }: ManifestMount): boolean {
  return !optional || host === undefined || existsSync(host);
}
