import { lstatSync } from 'node:fs';
import { elfFault, type Interpreter, interpreterOf } from '../../host/elf.ts';
import type { Host } from '../../host/host.ts';
import { isExecutable, resolveInRoot } from '../../host/path-in-root.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { offeredTraits, traitsOf } from '../../mount/filesystems/all.ts';
import { guardedProgram } from '../../rootfs/guarded-program.ts';
import { librariesOf, programsOf } from '../../rootfs/parts.ts';
import { type FailedTrial, failedTrials, type Trial } from '../../rootfs/trial.ts';

/** Whether all that a rootfs has of programs, scripts and libraries can be started and loaded there. */

const shells = /\/(sh|dash|ash|bash)$/;

/** What glibc loads to look up names and users. */
export const nameServices = /\/libnss_[^/]+$/;

/**
 * Each file with why it cannot. Helpers that can say their version do so; for other programs, and for each library that
 * is loaded by name, the rootfs's own ld.so has to find all that they need; a shell has to read its scripts to their
 * end. Other libraries are tried with the programs that need them, and by themselves no more than looked at: what lies in
 * a directory of its own may be for a program that knows the way to it.
 * @param promised programs of the manifest, as they are named in the rootfs.
 */
export async function brokenParts(
  root: string,
  promised: readonly string[],
  manifest: Manifest,
  host: Pick<Host, 'run' | 'findProgram'>,
): Promise<readonly FailedTrial[]> {
  const libraries = librariesOf(root).filter((path) => lstatSync(root + path).isFile());
  const loadable = [nameServices, ...offeredTraits(manifest).flatMap(({ mayLoad }) => mayLoad ?? [])];
  const loaded = libraries.filter((path) => loadable.some((pattern) => pattern.test(path)));
  const called = promised.filter((path) => isExecutable(root, path));
  const others = programsOf(root).filter((path) => !called.some((one) => resolveInRoot(root, one) === path));
  const programs = [...called, ...others];
  const faults = [
    ...[...programs, ...loaded].flatMap((path) => faultOf(root, path)),
    ...libraries
      .filter((path) => !loaded.includes(path))
      .flatMap((path) => seenFault(path, elfFault(root + path))),
  ];
  const isWhole = (path: string) => faults.every((fault) => fault.path !== path);
  const loader = loaderOf(root, programs);
  const trials = [
    ...programs.filter(isWhole).flatMap((path) => trialOf(root, path, manifest) ?? []),
    ...loaded
      .filter((path) => loader !== undefined && isWhole(path))
      .map((path): Trial => ({ path, argv: [loader ?? '', '--list', path] })),
  ];
  return [...faults, ...(await failedTrials(root, trials, host))];
}

/** The ld.so of the programs: where they have none, nothing is loaded. */
function loaderOf(root: string, programs: readonly string[]): string | undefined {
  for (const path of programs) {
    const interpreter = interpreterOf(root + resolveInRoot(root, path));
    if (interpreter?.kind === 'elf' && isExecutable(root, interpreter.path)) return interpreter.path;
  }
  return undefined;
}

/** What is seen without a trial. */
function faultOf(root: string, path: string): readonly FailedTrial[] {
  const file = root + resolveInRoot(root, path);
  if (lstatSync(file).size === 0) return seenFault(path, 'is empty');
  return seenFault(path, elfFault(file) ?? interpreterFault(root, interpreterOf(file)));
}

function seenFault(path: string, reason: string | undefined): readonly FailedTrial[] {
  return reason === undefined ? [] : [{ path, reason }];
}

function interpreterFault(root: string, interpreter: Interpreter | undefined): string | undefined {
  if (interpreter === undefined || isExecutable(root, interpreter.path)) return undefined;
  return `its interpreter ${interpreter.path} is missing`;
}

/**
 * What shows whether a program runs there.
 * @returns undefined where there is nothing to try: a static program that we know no harmless call of.
 */
export function trialOf(root: string, path: string, manifest: Manifest): Trial | undefined {
  const isKnown = Object.values(manifest.filesystems).some(
    (filesystem) => filesystem.helper === path && traitsOf(filesystem).saysVersion,
  );
  if (isKnown) return { path, argv: [path, '-V'] };
  const resolved = resolveInRoot(root, path);
  const interpreter = resolved === undefined ? undefined : interpreterOf(root + resolved);
  if (interpreter === undefined) return isGuarded(root, path) ? { path, argv: [path, '-V'] } : undefined;
  if (interpreter.kind === 'elf') return { path, argv: [interpreter.path, '--list', path] };
  return shells.test(interpreter.path) ? { path, argv: [interpreter.path, '-n', path] } : undefined;
}

/** The guard is static, so ld.so cannot tell about it; the glusterfs that it starts is not. */
function isGuarded(root: string, path: string): boolean {
  return path.endsWith('/glusterfs') && resolveInRoot(root, guardedProgram) !== undefined;
}
