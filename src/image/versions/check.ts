import { lstatSync } from 'node:fs';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import type { Host } from '../../host/host.ts';
import { isExecutable, resolveInRoot } from '../../host/path-in-root.ts';
import { programDirectories } from '../../host/programs.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { offeredTraits } from '../../mount/filesystems/all.ts';
import { failedTrials } from './trial.ts';

/**
 * Refuses a rootfs that is not what the manifest promises: each helper and each daemon there, as a program
 * that runs in it; the files that NFS looks up; the programs that their scripts call. And one whose etc is
 * no directory: kubelet writes resolv.conf there, by the host's name for it, and a symlink would lead to the
 * host's own.
 * @param subject what the operator called it.
 * @throws MounterError (system) that names all that is missing.
 */
export async function checkRootfs(
  root: string,
  manifest: Manifest,
  host: Host,
  subject: string,
): Promise<void> {
  if (!lstatSync(`${root}/etc`, { throwIfNoEntry: false })?.isDirectory()) throw noEtc(subject);
  const programs = promisedPrograms(manifest);
  const missing = missingFrom(root, manifest);
  const present = programs.filter((path) => !missing.includes(path));
  const failed = await failedTrials(root, present, manifest, host);
  if (missing.length + failed.length === 0) return;
  const lacks = missing.length === 0 ? [] : [`lacks ${missing.join(', ')}, which the manifest promises`];
  const broken = failed.length === 0 ? [] : [`cannot run ${failed.join(', ')}`];
  throw new MounterError(`the rootfs ${[...lacks, ...broken].join('; it ')}`, {
    subject,
    status: exitCode.system,
    hint: 'install a rootfs that was built from this manifest',
  });
}

/** The helpers and the daemons of the manifest. */
export function promisedPrograms({ filesystems, daemons }: Manifest): readonly string[] {
  const helpers = Object.values(filesystems).map(({ helper }) => helper);
  return [...new Set([...helpers, daemons.rpcbind.path, daemons.statd.path])];
}

/** The programs that the scripts of a rootfs call, where they lie in this one; those that it lacks are left out. */
export function calledPaths(root: string, manifest: Manifest): readonly string[] {
  const paths = calledPrograms(manifest).map((name) =>
    programDirectories.map((directory) => `${directory}/${name}`).find((path) => isExecutable(root, path)),
  );
  return paths.filter((path) => path !== undefined);
}

/** Programs and files, as they are named in the rootfs. */
export function missingFrom(root: string, manifest: Manifest): readonly string[] {
  const files = offeredTraits(manifest).flatMap(({ lookedUpFiles }) => lookedUpFiles);
  return [
    ...promisedPrograms(manifest).filter((path) => !isExecutable(root, path)),
    ...calledPrograms(manifest).filter(
      (name) => !programDirectories.some((directory) => isExecutable(root, `${directory}/${name}`)),
    ),
    ...files.filter((path) => resolveInRoot(root, path) === undefined),
  ];
}

/** By their names alone, each once. */
function calledPrograms(manifest: Manifest): readonly string[] {
  return [...new Set(offeredTraits(manifest).flatMap((traits) => traits.calledPrograms))];
}

function noEtc(subject: string): MounterError {
  return new MounterError('the rootfs has no directory /etc of its own', {
    subject,
    status: exitCode.system,
    hint: 'take a rootfs in which /etc is a directory; kubelet writes etc/resolv.conf in it',
  });
}
