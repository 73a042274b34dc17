import { existsSync, linkSync, lstatSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { embeddedFile } from '../host/embedded-file.ts';
import type { Host } from '../host/host.ts';
import { resolveInRoot } from '../host/path-in-root.ts';
import { programDirectories } from '../host/programs.ts';
import { replace, writeAtomically } from '../host/replace.ts';
import { isErrnoException } from '../host/system-error.ts';
import { guardedProgram } from '../rootfs/guarded-program.ts';
import { failedTrials } from '../rootfs/trial.ts';

/** The guard in the place of a rootfs's `glusterfs`: part of the tree, and where it does not work, no glusterfs runs. */

export interface PlacedGuard {
  /** What was done, a line each; nothing where it was in place. */
  readonly done: readonly string[];
  /** Why glusterfs does not run with it; undefined when it does, and where nothing was done. */
  readonly failure?: string;
}

/**
 * Lays the guard of this executable over the rootfs's glusterfs. Killed at any moment, it leaves the one or the other.
 * @param root a version's directory, without symlinks.
 * @throws MounterError (system) when the tree can't be written to.
 */
export async function placeGuard(root: string, host: Host): Promise<PlacedGuard> {
  const guard = await embeddedFile('glusterfs-guard');
  const program = glusterfsOf(root);
  if (guard === undefined || program === undefined || isPlaced(root, program, guard)) return { done: [] };
  try {
    lay(root, program, guard);
  } catch (error) {
    if (isErrnoException(error)) throw notLaid(`${root}${program}`, error);
    throw error;
  }
  const [failed] = await failedTrials(root, [{ path: program, argv: [program, '-V'] }], host);
  return { done: [`guarded ${root}${program}`], ...(failed === undefined ? {} : { failure: failed.reason }) };
}

/** Whether the guard of this executable is in place, or none is called for. */
export async function isGuardPlaced(root: string): Promise<boolean> {
  const guard = await embeddedFile('glusterfs-guard');
  const program = glusterfsOf(root);
  return guard === undefined || program === undefined || isPlaced(root, program, guard);
}

/** Whether it has a guard of some version, which a mount takes for enough. */
export function hasSomeGuard(root: string): boolean {
  const program = glusterfsOf(root);
  return (
    program !== undefined &&
    resolveInRoot(root, guardedProgram) !== undefined &&
    lstatSync(`${root}${program}`).isFile()
  );
}

/** An image's own link of that name would lead the guard to another program. */
export function removeImagesGuardedProgram(root: string): void {
  rmSync(`${root}${guardedProgram}`, { recursive: true, force: true });
}

/** Where the rootfs has glusterfs, its directory without symlinks; undefined where it has none. */
export function glusterfsOf(root: string): string | undefined {
  for (const directory of programDirectories) {
    const path = `${directory}/glusterfs`;
    const parent = resolveInRoot(root, directory);
    if (parent !== undefined && resolveInRoot(root, path) !== undefined) return `${parent}/glusterfs`;
  }
  return undefined;
}

function isPlaced(root: string, program: string, guard: Uint8Array): boolean {
  const status = lstatSync(`${root}${program}`);
  if (!status.isFile() || status.size !== guard.byteLength || (status.mode & 0o111) !== 0o111) return false;
  if (resolveInRoot(root, guardedProgram) === undefined) return false;
  return readFileSync(`${root}${program}`).equals(guard);
}

/** First the way to the real one, then the guard in its place: at no time is there none, or a guard of nothing. */
function lay(root: string, program: string, guard: Uint8Array): void {
  const real = realProgram(root, program);
  if (real !== undefined) linkTo(root, real);
  writeAtomically(`${root}${program}`, guard, 0o755);
}

/**
 * The real glusterfs: in every package a symlink to glusterfsd, which is found again where our own link to it was lost;
 * a file in its own right keeps a second name.
 * @returns undefined where the way to it is there, and an older guard in its place.
 */
function realProgram(root: string, program: string): string | undefined {
  if (lstatSync(`${root}${program}`).isSymbolicLink()) return resolveInRoot(root, program);
  if (resolveInRoot(root, guardedProgram) !== undefined) return undefined;
  const usual = `${dirname(program)}/glusterfsd`;
  if (resolveInRoot(root, usual) !== undefined) return usual;
  const second = `${dirname(program)}/glusterfs.unguarded`;
  if (!existsSync(`${root}${second}`)) linkSync(`${root}${program}`, `${root}${second}`);
  return second;
}

function linkTo(root: string, real: string): void {
  const link = `${root}${guardedProgram}`;
  const status = lstatSync(link, { throwIfNoEntry: false });
  if (status?.isSymbolicLink() && readlinkSync(link) === real) return;
  replace(link, (unfinished) => symlinkSync(real, unfinished));
}

function notLaid(subject: string, error: NodeJS.ErrnoException): MounterError {
  return new MounterError(`its guard cannot be put in its place: ${error.message}`, {
    subject,
    status: exitCode.system,
    hint: 'see that the filesystem of MOUNTER_HOME is writable and has space, then run mounter prepare',
    cause: error,
  });
}
