import type { FilesystemKind } from '../../manifest/filesystem-kinds.ts';
import type { FilesystemDriver } from './filesystem-driver.ts';
import { nfs } from './nfs/nfs.ts';

/** Of what most calls mount, in the front's memory from the start. */
export const driverAtHand: FilesystemDriver = nfs;

/** All drivers. The others are loaded for the mount that needs them. */
const drivers: Readonly<Record<FilesystemKind, () => Promise<FilesystemDriver>>> = {
  nfs: async () => driverAtHand,
  glusterfs: async () => (await import('./glusterfs/glusterfs.ts')).glusterfs,
  cifs: async () => (await import('./cifs/cifs.ts')).cifs,
  generic: async () => (await import('./generic.ts')).generic,
};

export function driverFor(kind: FilesystemKind): Promise<FilesystemDriver> {
  return drivers[kind]();
}
