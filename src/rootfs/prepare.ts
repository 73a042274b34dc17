import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { writeAtomically } from '../host/files.ts';
import type { Host } from '../host/host.ts';
import { type MountEntry, readMountinfo } from '../host/mountinfo.ts';
import { planHome } from './home-mount.ts';
import { failuresDirectory, type Layout, runDirectory } from './layout.ts';
import { isOnLocalFilesystem } from './local-filesystem.ts';
import type { Manifest, ManifestMount } from './manifest.ts';
import { applyActions, detachActions, type MountAction } from './mount-actions.ts';
import { makeHostPath, makeMountPoint, observe } from './mount-points.ts';
import { planRootfsMount, stateOf } from './mounts.ts';
import { forbidSymlinks } from './no-symlinks.ts';
import { startStatdActions, startStatdMount } from './place-start-statd.ts';
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
 * Shares the kubelet directory with the rootfs in `root` and gives it all that its helpers need.
 * @param root `versions/<digest>`, without symlinks.
 * @returns what was done, a line each; nothing where all was in place.
 * @throws MounterError that names the directory. What was done until then stays and is found by the next run.
 */
export async function prepareRootfs(
  root: string,
  { host, layout, manifest }: PrepareContext,
): Promise<readonly string[]> {
  const done: string[] = [];
  const apply = async (actions: readonly MountAction[]) => {
    done.push(...(await applyActions(actions)));
  };
  // What is made here is for daemons that are not root.
  process.umask(0o022);
  mkdirSync(runDirectory, { recursive: true, mode: 0o755 });
  emptyFailures();
  await apply(planHome(realpathSync(layout.home), readMountinfo(host)));
  for (const mount of manifest.mounts.mounter) {
    await apply(uncoverActions(mount, root, readMountinfo(host)));
    if (!makeHostPath(mount, root)) continue;
    if (mount.propagation === 'shared') await apply(shareActions(mount, readMountinfo(host)));
    const observed = observe(mount, root, host);
    makeMountPoint(observed, root);
    await apply(planRootfsMount(observed, readMountinfo(host)));
    if (mount.propagation === 'shared') done.push(...(await forbidSymlinks(observed.target, host)));
  }
  await apply(startStatdActions(root, { host, layout, manifest }, done));
  done.push(...makeResolvConf(root, { host, layout, manifest }));
  rememberSettings({ host, layout, manifest });
  return done;
}

/** Whoever prepares a node has changed something, perhaps what a server was not reachable for. Mounts go on meanwhile. */
function emptyFailures(): void {
  mkdirSync(failuresDirectory, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(failuresDirectory)) rmSync(`${failuresDirectory}/${name}`, { force: true });
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
export function isPrepared(root: string, { host, layout, manifest }: PrepareContext): boolean {
  const entries = readMountinfo(host);
  if (planHome(realpathSync(layout.home), entries).length > 0) return false;
  return [...manifest.mounts.mounter, startStatdMount(layout, manifest)].every(
    (mount) =>
      (mount.optional && mount.host !== undefined && !existsSync(mount.host)) ||
      stateOf(observe(mount, root, host), entries) === 'ok',
  );
}
