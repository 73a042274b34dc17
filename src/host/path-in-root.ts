import { lstatSync, readlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Linux follows no more on one way: path_resolution(7). */
const maximumLinks = 40;

/**
 * The path that `path` leads to when `root` is the root directory: chroot(2)'s view, symlinks included.
 * @param passes told of each name on the way, as the root has it, and of that at which it ends.
 * @returns undefined when it leads nowhere or in circles.
 */
export function resolveInRoot(
  root: string,
  path: string,
  passes?: (name: string) => void,
): string | undefined {
  const { place, isThere } = walkInRoot(root, path, passes);
  return isThere ? place : undefined;
}

/**
 * The same without a look at the last name, which may be a volume whose server is silent, or a symlink. Names that are
 * not there stay as they are, with what follows them. No symlink is left on the way but one that leads in circles: it
 * would be followed from another root.
 */
export function placeInRoot(root: string, path: string): string {
  const { place } = walkInRoot(root, dirname(path));
  return `${place === '/' ? '' : place}/${basename(path)}`;
}

/** Where `path` leads to, be it there or not: the target of a symlink that leads nowhere. */
export function endInRoot(root: string, path: string): string {
  return walkInRoot(root, path).place;
}

/**
 * @returns where the way ends: with the rest of its names as they are, where the first of them is not there or no
 *   directory. A ".." among them leads nowhere either, for the kernel.
 */
function walkInRoot(
  root: string,
  path: string,
  passes?: (name: string) => void,
): { readonly place: string; readonly isThere: boolean } {
  const pending = path.split('/').filter((part) => part !== '');
  let resolved: string[] = [];
  for (let links = 0; pending.length > 0; ) {
    const part = pending.shift() ?? '';
    if (part === '.') continue;
    if (part === '..') {
      resolved.pop();
      continue;
    }
    const name = `/${[...resolved, part].join('/')}`;
    passes?.(name);
    const status = lstatSync(root + name, { throwIfNoEntry: false });
    const isLink = status?.isSymbolicLink() === true;
    links += isLink ? 1 : 0;
    const isEnd = status === undefined || (!isLink && !status.isDirectory() && pending.length > 0);
    if (isEnd || links > maximumLinks)
      return { place: [name, ...pending.filter((one) => one !== '.')].join('/'), isThere: false };
    if (!isLink) {
      resolved.push(part);
      continue;
    }
    const target = readlinkSync(root + name);
    if (target.startsWith('/')) resolved = [];
    pending.unshift(...target.split('/').filter((p) => p !== ''));
  }
  return { place: `/${resolved.join('/')}`, isThere: true };
}

/** Whether `path` is an executable file of the rootfs, its own symlinks followed. */
export function isExecutable(root: string, path: string): boolean {
  const resolved = resolveInRoot(root, path);
  if (resolved === undefined) return false;
  const status = lstatSync(`${root}${resolved}`, { throwIfNoEntry: false });
  return status?.isFile() === true && (status.mode & 0o111) !== 0;
}
