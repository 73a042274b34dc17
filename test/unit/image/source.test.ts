import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test from 'ava';
import { pack } from 'tar-stream';
import { networkPatience } from '../../../src/image/registry/retry.ts';
import type { SourceOptions } from '../../../src/image/source.ts';
import { pull } from '../../support/image/pull.ts';
import {
  digestOf,
  imageOf,
  indexOf,
  jsonOf,
  layoutOf,
  type TestImage,
  tarOf,
} from '../../support/image/test-image.ts';

const scratch = mkdtempSync(join(tmpdir(), 'source-'));
const downloadDirectory = join(scratch, 'downloads');
mkdirSync(downloadDirectory);
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));
test.afterEach((t) => t.deepEqual(readdirSync(downloadDirectory), [], 'nothing temporary is left'));

const options: Omit<SourceOptions, 'progress'> = {
  platform: { os: 'linux', architecture: 'amd64' },
  downloadDirectory,
  plainHttp: false,
  mirrors: {},
};

const rootfs = await tarOf({ './etc/os-release': 'NAME=test', 'manifest.json': '[{"not": "docker"}]' });
const tars = [await tarOf({ lower: 'one' }), await tarOf({ upper: Buffer.alloc(70_000, 'x') })];
const image = imageOf({ tars });

test('a password with a % is taken as it is written', async (t) => {
  const patience = { ...networkPatience, retries: 0 };
  const { error } = await pull('http://me:100%@127.0.0.1:1/rootfs.tar', { ...options, patience });
  t.regex(error?.message ?? '', /the connection failed/);
});

let written = 0;
function write(bytes: Buffer, name = 'image.tar'): string {
  written += 1;
  const path = join(scratch, String(written), name);
  mkdirSync(dirname(path));
  writeFileSync(path, bytes);
  return path;
}

function writeLayout(files: Readonly<Record<string, Buffer>>): string {
  written += 1;
  const directory = join(scratch, `layout-${written}`);
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), bytes);
  }
  return directory;
}

function dockerSave(changes: Record<string, Buffer | string> = {}): Promise<Buffer> {
  return tarOf({
    'a/layer.tar': tars[0] ?? '',
    'b/layer.tar': tars[1] ?? '',
    'config.json': image.config,
    'manifest.json': jsonOf([
      { Config: 'config.json', RepoTags: ['tools:v1'], Layers: ['a/layer.tar', 'b/layer.tar'] },
    ]),
    ...changes,
  });
}

const compressions = { plain: (b: Buffer) => b, gzip: gzipSync, zstd: zstdCompressSync };
for (const [what, compress] of Object.entries(compressions)) {
  test.serial(`a rootfs as a tar, ${what}`, async (t) => {
    const file = Buffer.from(compress(rootfs));
    const pulled = await pull(write(file), { ...options, expectedDigest: digestOf(rootfs) });
    t.deepEqual(pulled, { digest: digestOf(rootfs), layers: [digestOf(file)], events: [] });
  });

  test.serial(`a tar of docker save, ${what}`, async (t) => {
    const pulled = await pull(write(Buffer.from(compress(await dockerSave()))), options);
    t.deepEqual(pulled, { digest: digestOf(image.config), layers: tars.map(digestOf), events: [] });
  });

  test.serial(`an OCI layout as a tar, ${what}`, async (t) => {
    const pulled = await pull(write(Buffer.from(compress(await tarOf(layoutOf({ v1: image }))))), options);
    t.deepEqual(pulled, { digest: image.digest, layers: image.layers.map(digestOf), events: [] });
  });
}

test.serial('an OCI layout as a directory: the only image, or the one that is named', async (t) => {
  const other = imageOf({ tars: tars.slice(0, 1), compression: 'zstd' });
  const [one, two] = [writeLayout(layoutOf({ v1: image })), writeLayout(layoutOf({ v1: image, v2: other }))];
  for (const word of [one, `oci:${one}`, `oci:${one}:v1`, `oci:${two}:v1`])
    t.is((await pull(word, options)).digest, image.digest, word);
  t.deepEqual((await pull(`oci:${two}:v2`, options)).layers, other.layers.map(digestOf));
  t.regex((await pull(`oci:${two}`, options)).error?.message ?? '', /has several images: v1, v2$/);
  t.regex((await pull(`oci:${two}:v3`, options)).error?.message ?? '', /has no image v3; it has v1, v2$/);
  t.regex((await pull(scratch, options)).error?.message ?? '', /a directory without oci-layout/);
  t.regex((await pull('oci:/none:v1', options)).error?.message ?? '', /no such directory/);
});

test.serial('an index in an OCI layout: the image for the platform', async (t) => {
  const arm = imageOf({ tars, architecture: 'arm64' });
  const index = indexOf({ 'linux/amd64': image, 'linux/arm64': arm });
  const files = { ...layoutOf({ a: image, b: arm }), [`blobs/sha256/${digestOf(index).slice(7)}`]: index };
  const manifests = [{ mediaType: 'x', digest: digestOf(index), size: index.length }];
  const directory = writeLayout({ ...files, 'index.json': jsonOf({ schemaVersion: 2, manifests }) });
  t.is((await pull(directory, options)).digest, image.digest);
  const platform = { os: 'linux', architecture: 'arm64' } as const;
  t.is((await pull(directory, { ...options, platform })).digest, arm.digest);
});

function without(map: Readonly<Record<string, Buffer>>, name: string): Record<string, Buffer> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => key !== name));
}

const layer = image.layers[1] ?? Buffer.of();
const layerName = `blobs/sha256/${digestOf(layer).slice(7)}`;
const files = layoutOf({ v1: image });
const unequal: TestImage = imageOf({ tars, change: (m) => ({ ...m, layers: Object(m.layers).slice(1) }) });
const badLayouts: Readonly<Record<string, readonly [Record<string, Buffer>, RegExp]>> = {
  'a layer with other bytes': [
    { ...files, [layerName]: Buffer.alloc(layer.length) },
    /the blob sha256:[0-9a-f]{12} has the digest/,
  ],
  'a layer that is cut': [{ ...files, [layerName]: layer.subarray(1) }, /has \d+ bytes instead of \d+/],
  'a layer that is missing': [without(files, layerName), /the layout lacks blobs\/sha256/],
  'a manifest with other bytes': [
    { ...files, [`blobs/sha256/${image.digest.slice(7)}`]: jsonOf({}) },
    /has the digest/,
  ],
  'other layers than configured': [layoutOf({ v1: unequal }), /speaks of 2 layers, the manifest 1/],
};
for (const [what, [layout, says]] of Object.entries(badLayouts)) {
  test.serial(`an OCI layout that is refused: ${what}`, async (t) => {
    for (const word of [writeLayout(layout), write(await tarOf(layout))]) {
      const { error } = await pull(word, options);
      t.regex(error?.message ?? '', says);
      t.is(error?.subject, word);
    }
  });
}

test.serial('docker save: layers that are links, and compressed ones', async (t) => {
  const archive = pack();
  const bytes = buffer(archive);
  const zipped = gzipSync(tars[1] ?? '');
  archive.entry({ name: 'b/layer.tar' }, zipped);
  archive.entry({ name: 'a/layer.tar', type: 'symlink', linkname: '../c/layer.tar' });
  archive.entry({ name: 'c/layer.tar' }, tars[0] ?? Buffer.of());
  archive.entry({ name: 'config.json' }, image.config);
  const manifest = { Config: 'config.json', RepoTags: null, Layers: ['a/layer.tar', './b/layer.tar'] };
  archive.entry({ name: './manifest.json' }, jsonOf([manifest]));
  archive.finalize();
  const pulled = await pull(write(await bytes), options);
  t.is(pulled.error, undefined);
  t.deepEqual(pulled.layers, [digestOf(tars[0] ?? Buffer.of()), digestOf(zipped)]);
});

const one = { Config: 'config.json', RepoTags: ['a:1'], Layers: ['a/layer.tar', 'b/layer.tar'] };
const badSaves: Readonly<Record<string, readonly [Record<string, Buffer | string>, RegExp]>> = {
  'two images': [
    { 'manifest.json': jsonOf([one, { ...one, RepoTags: ['b:2'] }]) },
    /2 images in it: a:1, b:2/,
  ],
  'a layer that is missing': [
    { 'manifest.json': jsonOf([{ ...one, Layers: ['a/layer.tar', 'gone'] }]) },
    /lacks gone, which/,
  ],
  'a layer with other bytes': [
    { 'b/layer.tar': Buffer.alloc(tars[1]?.length ?? 0) },
    /has the digest sha256:/,
  ],
  'too few layers': [
    { 'manifest.json': jsonOf([{ ...one, Layers: ['a/layer.tar'] }]) },
    /speaks of 2 layers/,
  ],
};
for (const [what, [changes, says]] of Object.entries(badSaves)) {
  test.serial(`docker save, refused: ${what}`, async (t) => {
    t.regex((await pull(write(await dockerSave(changes)), options)).error?.message ?? '', says);
  });
}

const badFiles: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
  'an empty file': [Buffer.of(), /a tar without a single file/],
  garbage: [Buffer.alloc(100_000, 'garbage!'), /is not a tar, or is damaged: /],
  'garbage that begins like zstd': [
    Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(100_000, 'garbage!')]),
    /is not a tar, or is damaged: /,
  ],
  'a tar that is cut': [rootfs.subarray(0, 700), /is not a tar, or is damaged: /],
  'gzip that is cut': [gzipSync(rootfs).subarray(0, 60), /is not a tar, or is damaged: /],
};
for (const [what, [bytes, says]] of Object.entries(badFiles)) {
  test.serial(`a file that is refused: ${what}`, async (t) => {
    t.regex((await pull(write(bytes), options)).error?.message ?? '', says);
  });
}

test.serial('another digest than expected', async (t) => {
  const expectedDigest = digestOf(Buffer.from('other'));
  for (const bytes of [rootfs, await dockerSave(), await tarOf(files)]) {
    const { error } = await pull(write(bytes), { ...options, expectedDigest });
    t.regex(error?.message ?? '', new RegExp(`is sha256:[0-9a-f]{64}, not ${expectedDigest}`));
  }
  const single = imageOf({ tars: [rootfs] });
  const layout = writeLayout(layoutOf({ v1: single }));
  const pulled = await pull(layout, { ...options, expectedDigest: digestOf(rootfs) });
  t.is(pulled.digest, single.digest, 'the only layer is the rootfs itself');
});

test.serial('a file wins over a reference; a path is no reference; docker:// is one', async (t) => {
  const path = write(rootfs, 'registry.example');
  symlinkSync(path, join(scratch, 'link'));
  t.is((await pull(join(scratch, 'link'), options)).digest, digestOf(rootfs));
  for (const word of ['./none/x:1', '/none', '../none'])
    t.is((await pull(word, options)).error?.message, 'there is no such file', word);
  t.regex((await pull('docker://name', options)).error?.message ?? '', /names no registry/);
  t.is((await pull('/dev/null', options)).error?.message, 'is neither a file nor a directory');
});
