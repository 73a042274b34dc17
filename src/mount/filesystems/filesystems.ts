import type { FilesystemKind } from '../../manifest/filesystem-kinds.ts';
import type { Filesystem, Manifest } from '../../manifest/manifest.ts';
import type { FilesystemDriver, FilesystemTraits } from './filesystem-driver.ts';
import { genericTraits } from './generic.ts';
import { glusterfsTraits } from './glusterfs/traits.ts';
import { nfsTraits } from './nfs/traits.ts';

/** The one place where the drivers are listed. */

/** Loaded for the mount alone that needs it. */
const drivers: Readonly<Record<FilesystemKind, () => Promise<FilesystemDriver>>> = {
  nfs: async () => (await import('./nfs/nfs.ts')).nfs,
  glusterfs: async () => (await import('./glusterfs/glusterfs.ts')).glusterfs,
  generic: async () => (await import('./generic.ts')).generic,
};

export function driverFor(kind: FilesystemKind): Promise<FilesystemDriver> {
  return drivers[kind]();
}

/** For whoever looks at all kinds of filesystems. */
const traits: Readonly<Record<FilesystemKind, FilesystemTraits>> = {
  nfs: nfsTraits,
  glusterfs: glusterfsTraits,
  generic: genericTraits,
};

export const allTraits: readonly FilesystemTraits[] = Object.values(traits);

export function traitsOf({ kind }: Pick<Filesystem, 'kind'>): FilesystemTraits {
  return traits[kind];
}

/** Of the kinds that a node with these settings mounts, each once. */
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
