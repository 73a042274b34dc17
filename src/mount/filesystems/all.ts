import { type FilesystemKind, kindNames } from '../../manifest/filesystem-kinds.ts';
import type { Filesystem, Manifest } from '../../manifest/manifest.ts';
import type { FilesystemTraits } from './filesystem-driver.ts';
import { driverFor } from './filesystems.ts';

/** All drivers at once, for whoever looks at every kind of filesystem. A mount loads its own alone. */

const drivers = await Promise.all(kindNames.map(driverFor));

export const allTraits: readonly FilesystemTraits[] = drivers.map(({ traits }) => traits);

const traitsByKind: ReadonlyMap<FilesystemKind, FilesystemTraits> = new Map(
  drivers.map(({ kind, traits }) => [kind, traits]),
);

export function traitsOf({ kind }: Pick<Filesystem, 'kind'>): FilesystemTraits {
  const traits = traitsByKind.get(kind);
  if (traits === undefined) throw new Error(`no driver for ${kind}`);
  return traits;
}

/** The traits of the kinds that a node with these settings mounts, each once. */
export function offeredTraits({ filesystems }: Pick<Manifest, 'filesystems'>): readonly FilesystemTraits[] {
  return [...new Set(Object.values(filesystems).map(traitsOf))];
}

/** Whether the node mounts what src/guard stands against the servers of. */
export function isGuardNeeded(settings: Pick<Manifest, 'filesystems'>): boolean {
  return offeredTraits(settings).some(({ isGuarded }) => isGuarded);
}

/** The types of volumes that lie on servers, as the kernel lists them. */
export const volumeTypes: readonly string[] = allTraits.flatMap(({ kernelTypes }) => kernelTypes);

/** What asks a server, or a daemon, besides: no volume of ours. */
const otherTypes = /^(9p|autofs|fuse\..*|afs|lustre|glusterfs)$/;

/** Whether a question to such a filesystem goes to a server or a daemon, which may not answer. */
export function isNetworkType(fstype: string): boolean {
  return volumeTypes.includes(fstype) || otherTypes.test(fstype);
}
