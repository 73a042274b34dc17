import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { type Host, isSameFile } from '../host/host.ts';
import { type MountEntry, parseMountinfo } from '../host/mountinfo.ts';
import { copyTree } from './copy-tree.ts';
import { planHome } from './home-mount.ts';
import { type Layout, runDirectory } from './layout.ts';
import type { Manifest, ManifestMount } from './manifest.ts';
import { applyActions, type MountAction } from './mount-actions.ts';
import { type ObservedMount, planRootfsMount, stateOf } from './mounts.ts';
import { settingsFile, settingsText } from './settings.ts';
import { planShared } from './shared-mount.ts';
import { startStatdScript } from './start-statd.ts';

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
  await apply(planHome(realpathSync(layout.home), readEntries(host)));
  for (const mount of manifest.mounts.mounter) {
    if (!makeHostPath(mount, root)) continue;
    if (mount.propagation === 'shared') await apply(shareActions(mount, readEntries(host)));
    const observed = observe(mount, root, host);
    makeMountPoint(observed, root);
    await apply(planRootfsMount(observed, readEntries(host)));
  }
  await apply(startStatdActions(root, { host, layout, manifest }, done));
  if (makeResolvConf(root)) done.push(`wrote ${root}/etc/resolv.conf from the host's`);
  rememberSettings({ host, layout, manifest });
  return done;
}

/** For the mounts to come; not worth a line. */
function rememberSettings({ host, layout, manifest }: PrepareContext): void {
  const text = settingsText(host, layout, manifest);
  if (text !== undefined && host.readText(settingsFile) !== text) writeAtomically(settingsFile, text, 0o644);
}

export function readEntries(host: Host): readonly MountEntry[] {
  return parseMountinfo(host.readText('/proc/self/mountinfo') ?? '');
}

function shareActions(mount: ManifestMount, entries: readonly MountEntry[]): readonly MountAction[] {
  if (mount.host === undefined) return [];
  const directory = { host: realpathSync(mount.host), rootfs: mount.rootfs };
  const actions = planShared(directory, entries);
  if (actions.some(({ kind }) => kind === 'bind')) recordSelfBind(directory.host);
  return actions;
}

/** Which directories were bound on themselves by us, for `teardown`: gone after a reboot, like the binds. */
export const selfBindsFile = `${runDirectory}/self-binds`;

function recordSelfBind(directory: string): void {
  writeFileSync(selfBindsFile, `${directory}\n`, { flag: 'a', mode: 0o644 });
}

/** @returns false when it is missing and may be. @throws MounterError when it is missing and must not be. */
function makeHostPath(mount: ManifestMount, root: string): boolean {
  if (mount.host === undefined || existsSync(mount.host)) return true;
  if (mount.create !== undefined) {
    makeFromImage(mount.host, `${root}${mount.rootfs}`, Number.parseInt(mount.create, 8));
    return true;
  }
  if (mount.optional) return false;
  throw new MounterError('this host path of the manifest does not exist', {
    subject: mount.host,
    status: exitCode.system,
    hint: 'make it, or mark the mount "optional" in mounts.mounter of the manifest',
  });
}

/**
 * A new host directory begins with what the image has in that place, owners included: rpc.statd's state
 * belongs to a user that only the image knows. Complete or not there at all.
 */
function makeFromImage(directory: string, imageDirectory: string, mode: number): void {
  mkdirSync(dirname(directory), { recursive: true, mode: 0o755 });
  // A name that nobody else gives: what is found under it is removed.
  const unfinished = `${dirname(directory)}/.${basename(directory)}.unfinished-by-mounter`;
  rmSync(unfinished, { recursive: true, force: true });
  if (existsSync(imageDirectory)) copyTree(imageDirectory, unfinished);
  else mkdirSync(unfinished);
  chmodSync(unfinished, mode);
  renameSync(unfinished, directory);
}

export function observe(mount: ManifestMount, root: string, host: Host): ObservedMount {
  const target = `${root}${mount.rootfs}`;
  const source = mount.host !== undefined && existsSync(mount.host) ? realpathSync(mount.host) : mount.host;
  const isSame = source !== undefined && isSameFile(host.stat(source), host.stat(target));
  return { mount, source, target, isSame };
}

/** The directory (or for a file, an empty file) to mount on. An image's symlink there could lead out of it. */
function makeMountPoint({ mount, target }: ObservedMount, root: string): void {
  refuseSymlinks(root, mount.rootfs);
  if (existsSync(target)) return;
  if (mount.host === undefined || lstatSync(mount.host).isDirectory())
    mkdirSync(target, { recursive: true, mode: 0o755 });
  else {
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    writeFileSync(target, '', { flag: 'wx' });
  }
}

function refuseSymlinks(root: string, path: string): void {
  let way = root;
  for (const part of path.split('/').filter((p) => p !== '')) {
    way = `${way}/${part}`;
    if (!lstatSync(way, { throwIfNoEntry: false })?.isSymbolicLink()) continue;
    throw new MounterError('is a symlink in the image, and would lead the mount elsewhere', {
      subject: way,
      status: exitCode.system,
      hint: `name the directory it leads to in mounts.mounter of the manifest instead of ${path}`,
    });
  }
}

/** A changed script gets a file of its own: sh reads the old one while it runs. */
function startStatdActions(
  root: string,
  { host, layout, manifest }: PrepareContext,
  done: string[],
): readonly MountAction[] {
  const script = startStatdScript(manifest);
  if (host.readText(layout.startStatd) !== script) {
    writeAtomically(layout.startStatd, script, 0o755);
    done.push(`wrote ${layout.startStatd}`);
  }
  const observed = observe(startStatdMount(layout, manifest), root, host);
  makeMountPoint(observed, root);
  return planRootfsMount(observed, readEntries(host));
}

function startStatdMount(layout: Layout, manifest: Manifest): ManifestMount {
  const path = manifest.daemons.startStatd;
  return {
    host: layout.startStatd,
    rootfs: path,
    type: 'bind',
    access: 'rw',
    propagation: 'private',
    optional: false,
  };
}

/**
 * kubelet writes rootfs/etc/resolv.conf at its start. Until then it is a copy of the host's: a symlink or a
 * bind would let kubelet write through it.
 * @returns whether it was written.
 */
function makeResolvConf(root: string): boolean {
  const path = `${root}/etc/resolv.conf`;
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status?.isFile()) return false;
  const text = existsSync('/etc/resolv.conf') ? readFileSync('/etc/resolv.conf', 'utf8') : '';
  writeAtomically(path, text, 0o644);
  return true;
}

export function writeAtomically(path: string, text: string, mode: number): void {
  const unfinished = `${path}.new`;
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, text, { mode, flag: 'wx', flush: true });
  chmodSync(unfinished, mode);
  renameSync(unfinished, path);
}

/** Whether every mount of the manifest is in place for `root`, and its start-statd. */
export function isPrepared(root: string, { host, layout, manifest }: PrepareContext): boolean {
  const entries = readEntries(host);
  if (planHome(realpathSync(layout.home), entries).length > 0) return false;
  return [...manifest.mounts.mounter, startStatdMount(layout, manifest)].every(
    (mount) =>
      (mount.optional && mount.host !== undefined && !existsSync(mount.host)) ||
      stateOf(observe(mount, root, host), entries) === 'ok',
  );
}
