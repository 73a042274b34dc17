import { accessSync, constants, lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { fileHost } from '../host/file-host.ts';
import { replace } from '../host/replace.ts';
import type { Layout } from '../node/layout.ts';

/**
 * The symlinks by which the host's own mount(8) finds mounter: `mount.nfs` and the like, to MOUNTER_HOME/mounter,
 * so that an upgrade of it is one of theirs too. umount(8) needs none: it unmounts by umount(2) itself.
 */

/** Where mount(8) looks for its helpers, in this order: util-linux's `--enable-fs-paths-default`. */
export const helperDirectories: readonly string[] = ['/sbin', '/sbin/fs.d', '/sbin/fs'];

export type HelperState =
  /** Our link. */
  | { readonly kind: 'ours'; readonly path: string }
  /** A helper of the host's own, or of another mounter. */
  | { readonly kind: 'foreign'; readonly path: string }
  | { readonly kind: 'missing' };

/** What has a helper's name in one of `directories`. A helper of the host's own is told before a link of ours. */
export function helperState(name: string, layout: Layout, directories: readonly string[]): HelperState {
  const there = directories.map((directory) => `${directory}/${name}`).filter(exists);
  const foreign = there.find((path) => !isOurs(path, layout));
  if (foreign !== undefined) return { kind: 'foreign', path: foreign };
  const [ours] = there;
  return ours === undefined ? { kind: 'missing' } : { kind: 'ours', path: ours };
}

/**
 * Places those of `names` that the host does not have.
 * @param wanted the directory; the first of mount(8)'s that can be written to if left out.
 * @returns what was done, or left alone, a line each; and how many there were to place.
 * @throws MounterError (system) where it is not possible, with what to do instead.
 */
export function placeHelperLinks(
  names: readonly string[],
  layout: Layout,
  wanted: string | undefined,
): { readonly lines: readonly string[]; readonly placed: number } {
  requireExecutable(layout);
  const looked = directoriesWith(wanted);
  const states = names.map((name) => ({ name, state: helperState(name, layout, looked) }));
  const missing = states.filter(({ state }) => state.kind === 'missing');
  const directory = missing.length === 0 ? '' : writableDirectory(wanted);
  for (const { name } of missing) placeLink(`${directory}/${name}`, layout);
  const lines = states.flatMap(({ name, state }) => {
    if (state.kind === 'foreign') return [leftAlone(state.path)];
    return state.kind === 'missing' ? [`placed ${directory}/${name}, a link to ${layout.executable}`] : [];
  });
  return { lines, placed: missing.length };
}

/** All that mount(8) looks in, and the one that was asked for. */
export function directoriesWith(wanted: string | undefined): readonly string[] {
  return wanted === undefined ? helperDirectories : [...new Set([wanted, ...helperDirectories])];
}

/** Removes our links in these directories, and nothing else. @returns what was done, a line each. */
export function removeHelperLinks(
  names: readonly string[],
  layout: Layout,
  directories = helperDirectories,
): readonly string[] {
  return helperLinks(names, layout, directories).map((path) => {
    rmSync(path, { force: true }); // Somebody else may be at it.
    return `removed ${path}`;
  });
}

/** Our links in these directories. */
export function helperLinks(
  names: readonly string[],
  layout: Layout,
  directories = helperDirectories,
): readonly string[] {
  const paths = directories.flatMap((directory) => names.map((name) => `${directory}/${name}`));
  return paths.filter((path) => isOurs(path, layout));
}

function leftAlone(path: string): string {
  const link = lstatSync(path).isSymbolicLink() ? ` (a link to ${readlinkSync(path)})` : '';
  return `left ${path} as it is: the host has this helper of its own${link}`;
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Judged by the text of the link, for its target may be gone, or not be installed yet. */
function isOurs(path: string, layout: Layout): boolean {
  return fileHost.readLink(path) === layout.executable;
}

/** Under another name first: mount(8) finds a whole link or none. */
function placeLink(path: string, layout: Layout): void {
  replace(path, (unfinished) => symlinkSync(layout.executable, unfinished), `${path}.mounter-new`);
}

/** A link that leads nowhere would break mounts that now say plainly that a helper is missing. */
function requireExecutable(layout: Layout): void {
  if (exists(layout.executable)) return;
  throw new MounterError('mounter is not installed here yet', {
    subject: layout.executable,
    status: exitCode.system,
    hint: 'name a SOURCE too: mounter install SOURCE --helpers',
  });
}

function writableDirectory(wanted: string | undefined): string {
  const directories = wanted === undefined ? helperDirectories : [wanted];
  const found = directories.find(isWritable);
  if (found !== undefined) return found;
  const isThere = directories.some(exists);
  throw new MounterError(
    isThere
      ? 'is read-only, so the helpers of mount(8) cannot be placed here'
      : 'there is no such directory, so the helpers of mount(8) cannot be placed here',
    { subject: directories.filter(exists)[0] ?? directories[0], status: exitCode.system, hint: alternatives },
  );
}

const alternatives =
  "give kubelet --experimental-mounter-path instead; or bring the links to /usr/sbin with a systemd-sysext(8) image; or make a writable directory one of mount(8)'s (mount a tmpfs on /sbin/fs.d where it exists) and name it with --directory";

/** access(2) knows of read-only filesystems, for root too. */
function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
