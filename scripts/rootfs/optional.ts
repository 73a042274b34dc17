import type { Manifest } from '../../src/manifest/manifest.ts';

type Rootfs = Manifest['rootfs'];
type Optional = NonNullable<Rootfs['optional']>[string];

/**
 * The manifest with what `rootfs.optional` has for the kinds of its `filesystems` taken into `rootfs`. Digests are
 * those of the rootfs without it, and left out then.
 */
export function withOptional(manifest: Manifest): Manifest {
  const { optional = {}, ...rootfs } = manifest.rootfs;
  const kinds = new Set<string>(Object.values(manifest.filesystems).map(({ kind }) => kind));
  const chosen = Object.entries(optional).filter(([kind]) => kinds.has(kind));
  return { ...manifest, rootfs: chosen.reduce((whole, [, one]) => joined(whole, one), rootfs as Rootfs) };
}

export function joined(rootfs: Rootfs, optional: Optional): Rootfs {
  const { digest: _digest, image: _image, ...own } = rootfs;
  return {
    ...own,
    include: [...own.include, ...optional.include],
    packages: [...own.packages, ...optional.packages],
    files: [...own.files, ...optional.files],
  };
}
