import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { differencesOf } from '../../scripts/bench/image/differences.ts';
import { makeTestLayers, type TestLayers, writeTestImage } from '../../scripts/bench/image/test-image.ts';
import { readTree, type Tree } from '../../scripts/bench/image/tree.ts';
import { mounterInstall, skopeoAndUmoci, type Unpacker } from '../../scripts/bench/image/unpackers.ts';
import type { Compression } from '../../scripts/image/oci.ts';
import { mounterExecutable } from '../../scripts/paths.ts';
import { DockerRegistry } from '../support/image/docker-registry.ts';

/** The image of scripts/bench/image/layers.sh by skopeo and umoci, and by us. */

let scratch = '';
let registry: DockerRegistry;
let tars: TestLayers;
let gzip = '';
let zstd = '';
let expected: Tree;

async function push(layers: readonly string[], compression: Compression): Promise<string> {
  const layout = await mkdtemp(join(scratch, 'layout-'));
  return await registry.pushForDigest(
    await writeTestImage(layers, compression, layout),
    `test:${compression}`,
  );
}

async function treeBy(unpacker: Unpacker, reference: string): Promise<Tree> {
  return await readTree((await unpacker.unpack(reference, scratch)).root);
}

test.before('the image in a registry, and what skopeo and umoci make of it', async (t) => {
  t.timeout(600_000);
  scratch = await mkdtemp(join(tmpdir(), 'image-comparison-'));
  registry = await DockerRegistry.start();
  tars = await makeTestLayers(await mkdtemp(join(scratch, 'layers-')));
  gzip = await push(tars.layers, 'gzip');
  zstd = await push(tars.layers, 'zstd');
  expected = await treeBy(skopeoAndUmoci('raw unpack'), gzip);
});

test.after.always('remove', async () => {
  await registry?.[Symbol.asyncDispose]();
  if (scratch !== '') await rm(scratch, { recursive: true, force: true });
});

test.serial('the image has what its layers say', (t) => {
  t.like(expected.get('xattrs/ping'), { mode: '0755', owner: '1000:1000' });
  t.true(expected.get('xattrs/ping')?.xattrs?.includes('security.capability=0x'));
  t.like(expected.get('devices/large'), { type: 'character device', device: '4095:1048575' });
  t.is(expected.get('links/b')?.sameFileAs, expected.get('links/below/d')?.sameFileAs);
  t.is(expected.get('gone/file'), undefined);
  t.is(expected.get('opaque-last/old'), undefined);
  t.is(expected.get('change/file-to-directory')?.type, 'directory');
  t.true(expected.size > 140, String(expected.size));
});

test.serial('umoci unpack and umoci raw unpack agree', async (t) => {
  t.deepEqual(differencesOf(expected, await treeBy(skopeoAndUmoci('unpack'), gzip)), []);
});

for (const compression of ['gzip', 'zstd']) {
  test.serial(`mounter install --into gives the tree of skopeo and umoci: ${compression}`, async (t) => {
    const found = await treeBy(mounterInstall(mounterExecutable), compression === 'gzip' ? gzip : zstd);
    t.deepEqual(differencesOf(expected, found), []);
  });
}

test.serial("sparse files of GNU tar's own format are as GNU tar unpacks them", async (t) => {
  const root = await mkdtemp(join(scratch, 'gnu-'));
  await execa('tar', ['-xp', '--numeric-owner', '-C', root, '-f', tars.gnu]);
  const found = await treeBy(mounterInstall(mounterExecutable), await push([tars.gnu], 'gzip'));
  t.deepEqual(differencesOf(await readTree(root), found), []);
});
