import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { interpreterOf, librariesNeededBy } from '../../host/elf.ts';
import { resolveInRoot } from '../../host/path-in-root.ts';
import { programDirectories } from '../../host/programs.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { allTraits, lockingTypes, offeredTraits, traitsOf } from '../../mount/filesystems/all.ts';
import type { FilesystemTraits } from '../../mount/filesystems/filesystem-driver.ts';
import { guardedProgram } from '../../rootfs/guarded-program.ts';
import { librariesOf } from '../../rootfs/parts.ts';
import { daemonPaths } from './check.ts';
import { nameServices } from './trial.ts';

/**
 * Who needs what of a rootfs: programs by the manifest and by their drivers, and what those are started by and load as
 * their files say.
 * @returns for a path, as the rootfs names it, or the name of a program: the types whose mounts need it; none for what only
 *   types need that are not offered; undefined for what nobody knows of.
 */
export function needsOf(root: string, manifest: Manifest): (path: string) => readonly string[] | undefined {
  const { filesystems, daemons } = manifest;
  const libraries = librariesOf(root);
  const seen = new Map<string, Requirements>();
  const requirementsOf = (file: string) => {
    const found = seen.get(file) ?? {
      interpreter: interpreterOf(root + file)?.path,
      names: librariesNeededBy(root + file),
    };
    seen.set(file, found);
    return found;
  };
  const ofPrograms = (paths: readonly string[], traits: readonly FilesystemTraits[]) =>
    partsOf(root, { libraries, requirementsOf }, paths, traits);
  // Where there are lock services it is they, and the script that starts them, who look for what is listed.
  const isForLocks = ofPrograms(
    [daemons.rpcbind.path, daemons.statd.path],
    offeredTraits(manifest).filter(({ hasLockServices }) => hasLockServices),
  );
  const locking = lockingTypes(manifest);
  const ofTypes = Object.entries(filesystems).map(([type, filesystem]) => {
    const traits = traitsOf(filesystem);
    const isOwn = ofPrograms([filesystem.helper], traits.hasLockServices ? [] : [traits]);
    return { type, needs: (path: string) => isOwn(path) || (locking.includes(type) && isForLocks(path)) };
  });
  return (path) => {
    const types = ofTypes.filter(({ needs }) => needs(path)).map(({ type }) => type);
    return types.length > 0 || isOfOthers(path, manifest) ? types : undefined;
  };
}

/** What is started and loaded with a file. */
interface Requirements {
  readonly interpreter: string | undefined;
  readonly names: readonly string[];
}

/** Whether they need a path: what leads to them and their parts, the parts, and what is missing of those. */
function partsOf(
  root: string,
  {
    libraries,
    requirementsOf,
  }: {
    readonly libraries: readonly string[];
    readonly requirementsOf: (file: string) => Requirements;
  },
  programs: readonly string[],
  traits: readonly FilesystemTraits[],
): (path: string) => boolean {
  const called = traits.flatMap(({ calledPrograms }) => calledPrograms);
  const ends = traits.flatMap(({ loadedLibraries }) => loadedLibraries);
  const patterns = [nameServices, ...traits.flatMap(({ mayLoad }) => mayLoad ?? [])];
  const isLoaded = (path: string) =>
    ends.some((end) => `/${path}`.endsWith(end)) || patterns.some((pattern) => pattern.test(path));
  const [names, paths] = [new Set(called), new Set<string>()];
  const visited = new Set<string>();
  const visit = (path: string) => {
    if (visited.has(path)) return;
    visited.add(path);
    // As it is named, too: /sbin is a symlink, and trials go by the manifest's names.
    paths.add(path);
    const file = resolveInRoot(root, path, (name) => paths.add(name));
    if (file === undefined || !statSync(root + file).isFile()) return;
    const required = requirementsOf(file);
    if (required.interpreter !== undefined) visit(required.interpreter);
    for (const name of required.names) {
      names.add(name);
      for (const library of libraries) if (basename(library) === name) visit(library);
    }
  };
  const guarded = traits.some(({ isGuarded }) => isGuarded) ? [guardedProgram] : [];
  const found = called.flatMap((name) => programDirectories.map((directory) => `${directory}/${name}`));
  const lookedUp = traits.flatMap(({ lookedUpFiles }) => lookedUpFiles);
  for (const path of [...programs, ...guarded, ...found, ...lookedUp, ...libraries.filter(isLoaded)])
    visit(path);
  return (path) => paths.has(path) || names.has(basename(path)) || isLoaded(path);
}

/** A library that programs are linked to, and none that a program loads by a name of its own. */
const isPlainLibrary = /\/lib(64)?\/([^/]+\/)?[^/]+\.so(\.[^/]*)?$/;

/** Helpers, lock services, and what these call, of types that the node does not offer; and libraries of nobody. */
function isOfOthers(path: string, { daemons }: Manifest): boolean {
  const name = basename(path);
  return (
    isPlainLibrary.test(path) ||
    /^u?mount\./.test(name) ||
    daemonPaths(daemons).some((daemon) => basename(daemon) === name) ||
    allTraits.some((traits) => traits.calledPrograms.includes(name) || traits.lookedUpFiles.includes(path))
  );
}
