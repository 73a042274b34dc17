import type { OneManifest, OneRootfs } from './pins.ts';

type Optional = NonNullable<OneRootfs['optional']>[string];

/**
 * The manifest with what `rootfs.optional` has for the kinds of its `filesystems` taken into `rootfs`. Digests are
 * those of the rootfs without it, and left out then.
 */
export function withOptional(manifest: OneManifest): OneManifest {
  const { optional = {}, ...rootfs } = manifest.rootfs;
  const kinds = new Set<string>(Object.values(manifest.filesystems).map(({ kind }) => kind));
  const chosen = Object.entries(optional).filter(([kind]) => kinds.has(kind));
  return { ...manifest, rootfs: chosen.reduce((whole, [, one]) => joined(whole, one), rootfs as OneRootfs) };
}

export function joined(rootfs: OneRootfs, optional: Optional): OneRootfs {
  const { digest: _digest, image: _image, ...own } = rootfs;
  return {
    ...own,
    include: [...own.include, ...optional.include],
    packages: [...own.packages, ...optional.packages],
    files: [...own.files, ...optional.files],
  };
}
