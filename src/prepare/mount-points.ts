import {
  chmodSync,
  copyFileSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { type Host, isSameFile } from '../host/host.ts';
import type { ManifestMount } from '../manifest/manifest.ts';
import type { ObservedMount } from './mounts.ts';

/** Both ends of a mount: the directory of the host, and the one in the rootfs that it is to appear on. */

/** @returns false when it is missing and may be. @throws MounterError when it is missing and must not be. */
export function makeHostPath(mount: ManifestMount, root: string): boolean {
  if (mount.host === undefined || existsSync(mount.host)) return true;
  if (mount.create !== undefined) {
    refuseSymlinks(root, mount.rootfs);
    makeFromImage(mount.host, `${root}${mount.rootfs}`, Number.parseInt(mount.create, 8));
    return true;
  }
  if (mount.optional) return false;
  throw new MounterError('this host path of mounts.mounter does not exist', {
    subject: mount.host,
    status: exitCode.system,
    hint: 'make it, or mark the mount "optional" in mounts.mounter of node-settings.json',
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

/** The host path without symlinks, as mountinfo has it; undefined for a tmpfs. */
export function sourceOf({ host }: ManifestMount): string | undefined {
  return host !== undefined && existsSync(host) ? realpathSync(host) : host;
}

export function observe(mount: ManifestMount, root: string, host: Host): ObservedMount {
  const target = `${root}${mount.rootfs}`;
  const source = sourceOf(mount);
  const isSame = source !== undefined && isSameFile(host.stat(source), host.stat(target));
  return { mount, source, target, isSame };
}

/** The directory (or for a file, an empty file) to mount on. An image's symlink there could lead out of it. */
export function makeMountPoint({ host, rootfs }: Pick<ManifestMount, 'host' | 'rootfs'>, root: string): void {
  refuseSymlinks(root, rootfs);
  const target = `${root}${rootfs}`;
  if (existsSync(target)) return;
  if (host === undefined || lstatSync(host).isDirectory())
    mkdirSync(target, { recursive: true, mode: 0o755 });
  else {
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    writeFileSync(target, '', { flag: 'wx' });
  }
}

function refuseSymlinks(root: string, path: string): void {
  let directory = root;
  for (const part of path.split('/').filter((p) => p !== '')) {
    directory = `${directory}/${part}`;
    if (!lstatSync(directory, { throwIfNoEntry: false })?.isSymbolicLink()) continue;
    throw new MounterError('is a symlink in the image, and would lead the mount elsewhere', {
      subject: directory,
      status: exitCode.system,
      hint: `name the directory it leads to in mounts.mounter of node-settings.json instead of ${path}`,
    });
  }
}

/**
 * Copies directories, files and symlinks with their owners and modes; whatever else lies there is left out.
 * @param to must not exist.
 */
export function copyTree(from: string, to: string): void {
  const status = lstatSync(from);
  if (status.isDirectory()) {
    mkdirSync(to);
    for (const name of readdirSync(from)) copyTree(`${from}/${name}`, `${to}/${name}`);
  } else if (status.isFile()) copyFileSync(from, to);
  else if (status.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
  else return;
  lchownSync(to, status.uid, status.gid);
  if (!status.isSymbolicLink()) chmodSync(to, status.mode & 0o7777);
}
