/** The kinds of filesystems that src/mount/filesystems has drivers for, each with the types that we are a `mount.TYPE` of. */
export const filesystemKinds = {
  nfs: ['nfs', 'nfs4'],
  glusterfs: ['glusterfs'],
  cifs: ['cifs', 'smb3'],
  /** Whatever helper an image brings: nobody knows how it reads its source and its options. */
  generic: [],
} as const;

export type FilesystemKind = keyof typeof filesystemKinds;

/** The types under which the kernel lists the mounts of each. */
export const kernelTypes = {
  nfs: ['nfs', 'nfs4'],
  glusterfs: ['fuse.glusterfs'],
  cifs: ['cifs', 'smb3'],
  // What images are known to bring.
  generic: ['ceph'],
} as const satisfies Readonly<Record<FilesystemKind, readonly string[]>>;

/** The types of volumes that lie on servers, as the kernel lists them. */
export const volumeTypes: readonly string[] = Object.values(kernelTypes).flat();

/** How far ahead a filesystem may read: the most that scripts/bench/reads.ts has measured. */
export const mostReadAheadKib = 16_384;

export const kindNames = Object.keys(filesystemKinds) as readonly FilesystemKind[];
