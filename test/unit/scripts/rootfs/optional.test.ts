import { readFileSync } from 'node:fs';
import test from 'ava';
import { withOptional } from '../../../../scripts/rootfs/optional.ts';
import { parseManifest } from '../../../../src/manifest/manifest.ts';

const shipped = JSON.parse(readFileSync('rootfs-manifest.json', 'utf8'));
const other = { helper: '/sbin/mount.other', kind: 'generic', kernelFilesystem: 'other', devices: [] };
const pin = { name: 'other-utils', version: '1', sha256: 'a'.repeat(64) };
const optional = {
  generic: { include: ['other-utils'], packages: [pin], files: ['usr/sbin/mount.other'] },
};

function rootfsWith(filesystems: object) {
  const manifest = {
    ...shipped,
    rootfs: { ...shipped.rootfs, optional },
    filesystems: { ...shipped.filesystems, ...filesystems },
  };
  return withOptional(parseManifest(JSON.stringify(manifest), 'test')).rootfs;
}

for (const [title, filesystems] of [
  ['no type of a kind', {}],
  ['a type of a kind that is null', { other: null }],
] as const)
  test(`${title}: nothing of what is optional for it`, (t) => {
    const { optional: _none, ...rootfs } = shipped.rootfs;
    t.deepEqual(rootfsWith(filesystems), rootfs);
  });

test('a type of a kind: all that is optional for it, and another digest', (t) => {
  const { include, packages, files, digest, image } = rootfsWith({ other, another: other });
  t.deepEqual(include, [...shipped.rootfs.include, 'other-utils']);
  t.deepEqual(packages, [...shipped.rootfs.packages, pin]);
  t.deepEqual(files, [...shipped.rootfs.files, 'usr/sbin/mount.other']);
  t.is(digest, undefined);
  t.is(image, undefined);
});
