import type { FilesystemKind } from '../../manifest/filesystem-kinds.ts';
import type { FilesystemDriver } from './filesystem-driver.ts';
import { nfs } from './nfs/nfs.ts';

/** All drivers. What most calls mount is at hand; the others are loaded for the mount that needs them. */
const drivers: Readonly<Record<FilesystemKind, () => Promise<FilesystemDriver>>> = {
  nfs: async () => nfs,
  glusterfs: async () => (await import('./glusterfs/glusterfs.ts')).glusterfs,
  cifs: async () => (await import('./cifs/cifs.ts')).cifs,
  generic: async () => (await import('./generic.ts')).generic,
};

export function driverFor(kind: FilesystemKind): Promise<FilesystemDriver> {
  return drivers[kind]();
}
