/** The kinds of filesystems that src/mount/filesystems has drivers for, each with the types that we are a `mount.TYPE` of. */
export const filesystemKinds = {
  nfs: ['nfs', 'nfs4'],
  glusterfs: ['glusterfs'],
  cifs: ['cifs', 'smb3'],
  /** Whatever helper an image brings: nobody knows how it reads its source and its options. */
  generic: [],
} as const;

export type FilesystemKind = keyof typeof filesystemKinds;

export const kindNames = Object.keys(filesystemKinds) as readonly FilesystemKind[];
