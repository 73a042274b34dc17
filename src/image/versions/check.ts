import { lstatSync } from 'node:fs';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { elfArchitecture } from '../../host/elf.ts';
import type { Host } from '../../host/host.ts';
import { isExecutable, resolveInRoot } from '../../host/path-in-root.ts';
import { programDirectories } from '../../host/programs.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { offeredTraits } from '../../mount/filesystems/all.ts';
import { librariesOf } from '../../rootfs/parts.ts';
import { ownArchitecture } from '../source/options.ts';
import { brokenParts } from './trial.ts';

/**
 * Refuses a rootfs that is not what the manifest promises: each helper and each daemon there, with the programs, files
 * and libraries that they call, look up and load; and all programs, scripts and libraries fit to run. And one whose etc
 * is no directory: kubelet writes resolv.conf there, by the host's name for it, and a symlink would lead to the
 * host's own. One of another architecture is refused in as many words.
 * @param subject what the operator called it.
 * @throws MounterError (system) that names what is missing and what cannot run.
 */
export async function checkRootfs(
  root: string,
  manifest: Manifest,
  host: Host,
  subject: string,
): Promise<void> {
  if (!lstatSync(`${root}/etc`, { throwIfNoEntry: false })?.isDirectory()) throw noEtc(subject);
  refuseForeign(root, manifest, subject);
  const missing = missingFrom(root, manifest);
  const broken = await brokenParts(root, promisedPrograms(manifest), manifest, host);
  if (missing.length + broken.length === 0) return;
  const lacks = missing.length === 0 ? [] : [`lacks ${few(missing)}, which the settings need`];
  const words = broken.map(({ path, reason }) => `${path} (${reason})`);
  const cannot = words.length === 0 ? [] : [`cannot run ${few(words)}`];
  throw new MounterError(`the rootfs ${[...lacks, ...cannot].join('; it ')}`, {
    subject,
    status: exitCode.system,
    hint: 'install a rootfs that was built from this manifest, whole and for this architecture',
  });
}

/** What is foreign to its last program is whole, and of no use here. */
function refuseForeign(root: string, manifest: Manifest, subject: string): void {
  const found = promisedPrograms(manifest)
    .filter((path) => isExecutable(root, path))
    .flatMap((path) => elfArchitecture(`${root}${resolveInRoot(root, path)}`) ?? []);
  if (found.length === 0 || found.includes(ownArchitecture)) return;
  throw new MounterError(`the rootfs is for ${found[0]}, and this machine is ${ownArchitecture}`, {
    subject,
    status: exitCode.system,
    hint: `install the rootfs that was built for ${ownArchitecture}, or an image of both architectures`,
  });
}

/** So many are named: without its libc a rootfs has nothing that runs. */
const named = 5;

/** The first of them, and how many more there are. */
export function few(words: readonly string[]): string {
  const more = words.length - named;
  return `${words.slice(0, named).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** The helpers and the daemons of the manifest. */
export function promisedPrograms({ filesystems, daemons }: Manifest): readonly string[] {
  const helpers = Object.values(filesystems).map(({ helper }) => helper);
  return [...new Set([...helpers, ...daemonPaths(daemons)])];
}

export function daemonPaths({ rpcbind, statd, gssd, idmapd, tlshd }: Manifest['daemons']): readonly string[] {
  return [rpcbind, statd, gssd, idmapd, tlshd].flatMap((daemon) => daemon?.path ?? []);
}

/** The programs that scripts of the rootfs call, where they are in it. */
export function calledPaths(root: string, manifest: Manifest): readonly string[] {
  const paths = calledPrograms(manifest).map((name) =>
    programDirectories.map((directory) => `${directory}/${name}`).find((path) => isExecutable(root, path)),
  );
  return paths.filter((path) => path !== undefined);
}

/** Programs and files, as they are named in the rootfs, and the ends of libraries' paths. */
export function missingFrom(root: string, manifest: Manifest): readonly string[] {
  const traits = offeredTraits(manifest);
  const files = traits.flatMap(({ lookedUpFiles }) => lookedUpFiles);
  const libraries = librariesOf(root).filter((path) => resolveInRoot(root, path) !== undefined);
  return [
    ...promisedPrograms(manifest).filter((path) => !isExecutable(root, path)),
    ...calledPrograms(manifest).filter(
      (name) => !programDirectories.some((directory) => isExecutable(root, `${directory}/${name}`)),
    ),
    ...files.filter((path) => resolveInRoot(root, path) === undefined),
    ...traits
      .flatMap(({ loadedLibraries }) => loadedLibraries)
      .filter((end) => !libraries.some((path) => path.endsWith(end)))
      .map((end) => end.slice(1)),
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
