import { readFileSync } from 'node:fs';
import test from 'ava';
import { withOptional } from '../../../../scripts/rootfs/optional.ts';
import { ofArchitecture, oneManifest } from '../../../../scripts/rootfs/pins.ts';
import { parseManifest } from '../../../../src/manifest/manifest.ts';

const shipped = JSON.parse(readFileSync('rootfs-manifest.json', 'utf8'));
const other = { helper: '/sbin/mount.other', kind: 'generic', kernelFilesystem: 'other', devices: [] };
const own = ofArchitecture(parseManifest(JSON.stringify(shipped), 'test').rootfs, 'amd64');
const pin = { name: 'other-utils', version: '1', sha256: 'a'.repeat(64) };
const optional = {
  generic: { include: ['other-utils'], packages: [pin], files: ['usr/sbin/mount.other'] },
};

async function rootfsWith(filesystems: object) {
  const manifest = {
    ...shipped,
    rootfs: { ...shipped.rootfs, optional },
    filesystems: { ...shipped.filesystems, ...filesystems },
  };
  return withOptional(await oneManifest(parseManifest(JSON.stringify(manifest), 'test'), 'amd64')).rootfs;
}

for (const [title, filesystems] of [
  ['no type of a kind', {}],
  ['a type of a kind that is null', { other: null }],
] as const)
  test(`${title}: nothing of what is optional for it`, async (t) => {
    const { optional: _none, ...rootfs } = own;
    t.deepEqual(await rootfsWith(filesystems), rootfs);
  });

test('a type of a kind: all that is optional for it, and another digest', async (t) => {
  const { include, packages, files, digest, image } = await rootfsWith({ other, another: other });
  t.deepEqual(include, [...shipped.rootfs.include, 'other-utils']);
  t.deepEqual(packages, [...own.packages, pin]);
  t.deepEqual(files, [...shipped.rootfs.files, 'usr/sbin/mount.other']);
  t.is(digest, undefined);
  t.is(image, undefined);
});
