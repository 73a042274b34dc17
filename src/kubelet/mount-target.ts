import { lstatSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';

/** Where in an image a path of the host is to appear. */

/** Linux follows no more on one way: path_resolution(7). */
const maximumLinks = 40;

export interface MountTarget {
  /** The path inside the image, its symlinks followed; parts of it may be missing yet. */
  readonly path: string;
  /** The path, inside the image, of a symlink that is to become a file: it leads to what the host offers. */
  readonly replaced: string | undefined;
}

/**
 * Makes `path` of the image a symlink to `to`, where it does not lead there already. @returns whether it was made.
 */
export function makeLink(root: string, path: string, to: string, offered: readonly string[]): boolean {
  if (follow(root, path, offered) === to) return false;
  const parent = follow(root, dirname(path), offered);
  const own = `${root}${parent === '/' ? '' : parent}/${basename(path)}`;
  if (lstatSync(own, { throwIfNoEntry: false })?.isDirectory() === true) throw wrongKind(own, 'a file');
  mkdirSync(dirname(own), { recursive: true, mode: 0o755 });
  const unfinished = unfinishedName(own);
  rmSync(unfinished, { force: true });
  symlinkSync(to, unfinished);
  renameSync(unfinished, own);
  return true;
}

/**
 * The place that `path` leads to when `root` is the root directory. Symlinks of the image are its own: /lib is
 * usr/lib in one, /var/run is /run. One at the end of a file's way, such as /etc/resolv.conf, may lead to
 * what is mounted in the image, and thereby to the host's own directory, or nowhere at all: that one gives way.
 * @param offered paths inside the image on which directories of the host are mounted.
 * @throws MounterError (system) for a way in circles, or through a file.
 */
export function mountTargetOf(
  root: string,
  path: string,
  isDirectory: boolean,
  offered: readonly string[],
): MountTarget {
  const target = follow(root, path, offered);
  if (isDirectory) return { path: target, replaced: undefined };
  const parent = follow(root, dirname(path), offered);
  const own = `${parent === '/' ? '' : parent}/${basename(path)}`;
  if (target === own) return { path: own, replaced: undefined };
  const isFile = lstatSync(root + target, { throwIfNoEntry: false })?.isFile() === true;
  if (isFile && !isOffered(target, offered)) return { path: target, replaced: undefined };
  return { path: own, replaced: own };
}

/** Whether it is at one of these directories, or below. */
export function isOffered(path: string, offered: readonly string[]): boolean {
  return offered.some((directory) => path === directory || path.startsWith(`${directory}/`));
}

/** What is mounted already is not looked into: the answer is to be the same before and after. */
function follow(root: string, path: string, offered: readonly string[]): string {
  const pending = path.split('/').filter((part) => part !== '');
  let done: string[] = [];
  for (let links = 0; pending.length > 0; ) {
    const part = pending.shift() ?? '';
    if (part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const way = `/${[...done, part].join('/')}`;
    const status = isOffered(way, offered) ? undefined : lstatSync(root + way, { throwIfNoEntry: false });
    if (status?.isSymbolicLink() !== true) {
      if (status?.isFile() === true && pending.length > 0) throw wrongKind(root + way, 'a directory');
      done.push(part);
      continue;
    }
    links += 1;
    if (links > maximumLinks) throw circle(root + way);
    const link = readlinkSync(root + way);
    if (link.startsWith('/')) done = [];
    pending.unshift(...link.split('/').filter((p) => p !== ''));
  }
  return `/${done.join('/')}`;
}

/** The directory to mount on, or the empty file. @returns whether it was made. @throws MounterError (system) */
export function makeTarget(root: string, target: MountTarget, isDirectory: boolean): boolean {
  const path = root + target.path;
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status !== undefined && target.replaced === undefined) {
    if (status.isDirectory() === isDirectory) return false;
    throw wrongKind(path, isDirectory ? 'a directory' : 'a file');
  }
  mkdirSync(isDirectory ? path : dirname(path), { recursive: true, mode: 0o755 });
  if (!isDirectory) placeEmptyFile(path);
  return true;
}

function placeEmptyFile(path: string): void {
  const unfinished = unfinishedName(path);
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, '', { flag: 'wx', mode: 0o644 });
  renameSync(unfinished, path);
}

/** A name that nobody else gives: what is found under it is removed. */
function unfinishedName(path: string): string {
  return `${dirname(path)}/.${basename(path)}.unfinished-by-mounter`;
}

function wrongKind(subject: string, wanted: string): MounterError {
  return new MounterError(`is not ${wanted} in the image, but the host has ${wanted} to mount there`, {
    subject,
    status: exitCode.system,
    hint: 'mend the image, or leave the mount out of mounts.kubelet of the manifest',
  });
}

function circle(subject: string): MounterError {
  return new MounterError('is a symlink of the image that leads in circles', {
    subject,
    status: exitCode.system,
    hint: 'extract an image that is in order',
  });
}
