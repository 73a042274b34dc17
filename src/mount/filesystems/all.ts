import { type FilesystemKind, kindNames, volumeTypes } from '../../manifest/filesystem-kinds.ts';
import type { Filesystem, Manifest } from '../../manifest/manifest.ts';
import type { FilesystemDriver, FilesystemTraits, GrantReader } from './filesystem-driver.ts';
import { driverFor } from './filesystems.ts';
import { nfsGrants } from './nfs/granted.ts';

/** All drivers at once, for whoever looks at every kind of filesystem. A mount loads its own alone. */

const drivers = await Promise.all(kindNames.map(driverFor));

export const allTraits: readonly FilesystemTraits[] = drivers.map(({ traits }) => traits);

/** By kind; the kernel lists too little of the mounts of others. */
const grantReaders: Readonly<Partial<Record<FilesystemKind, GrantReader>>> = { nfs: nfsGrants };

/** @param fstype as the kernel lists it. */
export function grantReaderOf(fstype: string): GrantReader | undefined {
  const driver = drivers.find(({ traits }) => traits.kernelTypes.includes(fstype));
  return driver && grantReaders[driver.kind];
}

function driverOf(kind: FilesystemKind): FilesystemDriver {
  const driver = drivers.find((one) => one.kind === kind);
  if (driver === undefined) throw new Error(`no driver for ${kind}`);
  return driver;
}

export function traitsOf({ kind }: Pick<Filesystem, 'kind'>): FilesystemTraits {
  return driverOf(kind).traits;
}

/** The traits of the kinds that a node with these settings mounts, each once. */
export function offeredTraits({ filesystems }: Pick<Manifest, 'filesystems'>): readonly FilesystemTraits[] {
  return [...new Set(Object.values(filesystems).map(traitsOf))];
}

/** Whether the node mounts what src/guard stands against the servers of. */
export function isGuardNeeded(settings: Pick<Manifest, 'filesystems'>): boolean {
  return offeredTraits(settings).some(({ isGuarded }) => isGuarded);
}

/** Those of which a PersistentVolume can be, and how it names what is mounted. */
export const volumeKinds = drivers.flatMap(({ kind, traits: { volume, kernelTypes } }) =>
  volume === undefined ? [] : [{ kind, kernelTypes, ...volume }],
);

/** What asks a server, or a daemon, besides: no volume of ours. */
const otherTypes = /^(9p|autofs|fuse\..*|afs|lustre|glusterfs)$/;

/** Whether a question to such a filesystem goes to a server or a daemon, which may not answer. */
export function isNetworkType(fstype: string): boolean {
  return volumeTypes.includes(fstype) || otherTypes.test(fstype);
}

/** The types that these settings offer whose kind is so. */
export function typesThat(
  { filesystems }: Pick<Manifest, 'filesystems'>,
  isSo: (traits: FilesystemTraits, filesystem: Filesystem) => boolean,
): readonly string[] {
  return Object.entries(filesystems).flatMap(([type, filesystem]) =>
    isSo(traitsOf(filesystem), filesystem) ? [type] : [],
  );
}

/** The types of which a mount without options may need rpcbind and rpc.statd here. */
export function lockingTypes({ filesystems }: Pick<Manifest, 'filesystems'>): readonly string[] {
  return Object.entries(filesystems).flatMap(([fstype, { kind }]) =>
    driverOf(kind).lockServices({ fstype, options: '' }) === 'never' ? [] : [fstype],
  );
}
