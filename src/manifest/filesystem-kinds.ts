/**
 * The kinds of filesystems that can be mounted, each with the types for which the executable may stand in the host's
 * helper directory, as `mount.TYPE`. src/mount/filesystems has a driver for each kind.
 */
export const filesystemKinds = {
  nfs: ['nfs', 'nfs4'],
  glusterfs: ['glusterfs'],
  cifs: ['cifs', 'smb3'],
  /** Whatever helper an image brings: nobody knows how it reads its source and its options. */
  generic: [],
} as const;

export type FilesystemKind = keyof typeof filesystemKinds;

export const kindNames = Object.keys(filesystemKinds) as readonly FilesystemKind[];
