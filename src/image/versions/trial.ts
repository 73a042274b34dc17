import { guardedProgram } from '../../guard/guarded-program.ts';
import { interpreterOf } from '../../host/elf.ts';
import type { Host } from '../../host/host.ts';
import { resolveInRoot } from '../../host/path-in-root.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { traitsOf } from '../../mount/filesystems/all.ts';
import { failedTrial } from '../../rootfs/trial.ts';

/** Which program of a rootfs is tried in which way. */

/**
 * Each program that does not run in `root`, with the reason. Those that can say their version do so;
 * of the others the rootfs's own ld.so has to find every library.
 * @param paths executable files, as they are named in the rootfs.
 */
export async function failedTrials(
  root: string,
  paths: readonly string[],
  manifest: Manifest,
  host: Host,
): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const path of paths) {
    const argv = trialOf(root, path, manifest);
    if (argv === undefined) continue;
    const reason = await failedTrial(root, argv, host);
    if (reason !== undefined) failures.push(`${path} (${reason})`);
  }
  return failures;
}

/**
 * The argv, inside the rootfs, that shows whether a program runs there.
 * @returns undefined where there is nothing to try: a static program that we know no harmless call of.
 */
export function trialOf(root: string, path: string, manifest: Manifest): readonly string[] | undefined {
  const isKnown = Object.values(manifest.filesystems).some(
    (filesystem) => filesystem.helper === path && traitsOf(filesystem).saysVersion,
  );
  if (isKnown) return [path, '-V'];
  const resolved = resolveInRoot(root, path);
  const interpreter = resolved === undefined ? undefined : interpreterOf(root + resolved);
  if (interpreter === undefined) return isGuarded(root, path) ? [path, '-V'] : undefined;
  return interpreter.kind === 'elf' ? [interpreter.path, '--list', path] : [interpreter.path, '-c', ':'];
}

/** The guard is static, so ld.so cannot tell about it; the glusterfs that it starts is not. */
function isGuarded(root: string, path: string): boolean {
  return path.endsWith('/glusterfs') && resolveInRoot(root, guardedProgram) !== undefined;
}
