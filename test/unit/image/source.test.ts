import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test from 'ava';
import { pack } from 'tar-stream';
import { MounterError } from '../../../src/errors.ts';
import { networkPatience } from '../../../src/image/registry/retry.ts';
import { readTarFile } from '../../../src/image/source/tar-file.ts';
import type { SourceOptions } from '../../../src/image/source.ts';
import { pull } from '../../support/image/pull.ts';
import { file, tarBytes } from '../../support/image/tar-bytes.ts';
import {
  descriptorOf,
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

const small = { bytes: 100_000, entries: 20, textBytes: 1000 };
const bombs = [
  ['bytes', tarBytes(file('a', '\0'.repeat(1_000_000))), /unpacks to more than 100000 bytes$/],
  ['entries', tarBytes(...Array.from({ length: 30 }, (_, n) => file(String(n)))), /more than 20 entries/],
  ['names', tarBytes(file('a', '', { pax: [['path', 'a'.repeat(2000)]] })), /more than 1000 bytes of names/],
] as const;
for (const [title, bytes, message] of bombs) {
  test.serial(`a file that is a bomb is not read to its end: ${title}`, async (t) => {
    const error = await t.throwsAsync(readTarFile(write(gzipSync(bytes)), 'https://x.example/tar', small), {
      instanceOf: MounterError,
      message,
    });
    t.is((error as MounterError).subject, 'https://x.example/tar');
  });
}

test.serial('a download that says it is a terabyte is not begun', async (t) => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': '1000000000000' });
    response.write('x');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { error } = await pull(`http://127.0.0.1:${port}/rootfs.tar`, options);
  server.closeAllConnections();
  server.close();
  t.regex(error?.message ?? '', /has 1000000000000 bytes, and 17179869184 are the most$/);
});

test.serial('layers that say they are a terabyte are not fetched', async (t) => {
  const change = (manifest: Record<string, unknown>) => ({
    ...manifest,
    layers: (manifest.layers as object[]).map((layer) => ({ ...layer, size: 5e11 })),
  });
  const { error } = await pull(writeLayout(layoutOf({ v1: imageOf({ tars, change }) })), options);
  t.regex(error?.message ?? '', /its layers have 1000000000000 bytes, and 17179869184 are the most$/);
});

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

type Fields = Record<string, unknown>;

/** A layout of one image, whose documents are changed before they get their digests. */
function oddLayout(changes: {
  readonly manifest?: (manifest: Fields) => Fields;
  /** Of the entry for the image in an index; without it, index.json names the image itself. */
  readonly entry?: (entry: Fields) => Fields | readonly Fields[];
  readonly index?: (index: Fields) => Fields;
}): Record<string, Buffer> {
  const { manifest, entry, index = (same) => same } = changes;
  const odd = imageOf({ tars, ...(manifest && { change: manifest }) });
  const files = layoutOf({ v1: odd });
  const type = 'application/vnd.oci.image.index.v1+json';
  const descriptor = descriptorOf(odd.manifest, 'application/vnd.oci.image.manifest.v1+json');
  const below = jsonOf({ schemaVersion: 2, mediaType: type, manifests: [entry?.(descriptor)].flat() });
  const top = entry === undefined ? descriptor : descriptorOf(below, type);
  files[`blobs/sha256/${digestOf(below).slice(7)}`] = below;
  files['index.json'] = jsonOf(index({ schemaVersion: 2, manifests: [top] }));
  return files;
}

const configAs = (mediaType: unknown) => (m: Fields) => ({
  ...m,
  config: { ...Object(m.config), mediaType },
});
const layersAs = (mediaType: unknown) => (m: Fields) => ({
  ...m,
  layers: Object(m.layers).map((layer: Fields) => ({ ...layer, mediaType })),
});
const helm = imageOf({ tars, change: configAs('application/vnd.cncf.helm.config.v1+json') });
const arm = imageOf({ tars, architecture: 'arm64' });
const oci = 'application/vnd.oci.image.layer.v1.tar';
const docker = 'application/vnd.docker.image.rootfs';

const oddLayouts: Readonly<Record<string, Parameters<typeof oddLayout>[0]>> = {
  'a configuration of no known type (Docker 1.10)': { manifest: configAs('application/octet-stream') },
  'a configuration of the type of JSON': { manifest: configAs('application/json; charset=utf-8') },
  'a configuration of a type that is null': { manifest: configAs(null) },
  'gzip labelled as a plain tar (buildah)': { manifest: layersAs(oci) },
  'gzip labelled as zstd': { manifest: layersAs(`${oci}+zstd`) },
  'gzip labelled as nothing': { manifest: layersAs('') },
  "gzip labelled as docker's plain tar": { manifest: layersAs(`${docker}.diff.tar`) },
  'a foreign layer that is there': { manifest: layersAs(`${docker}.foreign.diff.tar.gzip`) },
  'a layer that may not be distributed': {
    manifest: layersAs('application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'),
  },
  'nulls in the manifest': {
    manifest: (m) => ({ ...m, annotations: null, subject: null, artifactType: null, manifests: null }),
  },
  'an empty type in the manifest': { manifest: (m) => ({ ...m, mediaType: '' }) },
  'no type in the manifest': { manifest: ({ mediaType: _, ...m }) => m },
  'fields that nobody knows': {
    manifest: (m) => ({ ...m, new: { a: [1] }, config: { ...Object(m.config), data: 'e30=', urls: ['x'] } }),
    entry: (e) => ({ ...e, platform: { os: 'linux', architecture: 'amd64', 'os.features': ['x'] }, y: 1 }),
  },
  'an entry without platform': { entry: (e) => e },
  'an entry whose platform is null': { entry: (e) => ({ ...e, platform: null, annotations: null }) },
  'an entry whose platform says nothing': { entry: (e) => ({ ...e, platform: { os: '', variant: null } }) },
  'an empty variant': {
    entry: (e) => ({ ...e, platform: { os: 'linux', architecture: 'amd64', variant: '' } }),
  },
  'null annotations in index.json': {
    index: ({ manifests }) => ({
      annotations: null,
      manifests: Object(manifests).map((e: Fields) => ({ ...e, platform: null, annotations: { a: null } })),
    }),
  },
  'the same image under two names': {
    index: ({ manifests }) => {
      const named = (e: Fields, name: string) => ({
        ...e,
        annotations: { 'io.containerd.image.name': `docker.io/library/tools:${name}` },
      });
      return {
        manifests: ['v1', 'latest'].flatMap((name) => Object(manifests).map((e: Fields) => named(e, name))),
      };
    },
  },
};
for (const [what, changes] of Object.entries(oddLayouts)) {
  test.serial(`an OCI layout with ${what}: the image`, async (t) => {
    const layout = oddLayout(changes);
    for (const word of [writeLayout(layout), write(await tarOf(layout))]) {
      const { error, layers } = await pull(word, options);
      t.is(error, undefined);
      t.deepEqual(layers, image.layers.map(digestOf));
    }
  });
}

test.serial('entries without platform: the first that is an image for this machine', async (t) => {
  const blobs = Object.fromEntries(
    [helm, arm].flatMap(({ blobs }) =>
      [...blobs].map(([digest, b]) => [`blobs/sha256/${digest.slice(7)}`, b]),
    ),
  );
  const of = (...images: readonly TestImage[]) =>
    images.map(({ manifest }) => descriptorOf(manifest, 'application/vnd.oci.image.manifest.v1+json'));
  const all = { ...oddLayout({ entry: (entry) => [...of(helm, arm), entry] }), ...blobs };
  t.deepEqual((await pull(writeLayout(all), options)).layers, image.layers.map(digestOf));
  const none = { ...oddLayout({ entry: () => of(helm, arm) }), ...blobs };
  t.regex(
    (await pull(writeLayout(none), options)).error?.message ?? '',
    /the image is for linux\/arm64, not/,
  );
  const endless = {
    ...oddLayout({ entry: () => Array.from({ length: 1000 }, () => of(arm)[0] ?? {}) }),
    ...blobs,
  };
  t.regex((await pull(writeLayout(endless), options)).error?.message ?? '', /leads to no end of others/);
});

test.serial('a tar with two images: what to do about it can be done with a tar', async (t) => {
  const other = imageOf({ tars: tars.slice(0, 1) });
  const { error } = await pull(write(await tarOf(layoutOf({ v1: image, v2: other }))), options);
  t.regex(error?.message ?? '', /has several images: v1, v2$/);
  t.regex(error?.hint ?? '', /^save one image alone: /);
});

const oneImage = { Config: 'config.json', RepoTags: null, Layers: ['a/layer.tar', 'b/layer.tar'] };
const [inDirectory, halfLayout] = [layoutOf({ v1: image }), without(layoutOf({ v1: image }), 'index.json')];
/** What is an image, but not one that can be unpacked, is never taken for a rootfs. */
const noRootfs: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
  'docker save whose configuration is missing': [
    await dockerSave({ 'manifest.json': jsonOf([{ ...oneImage, Config: 'gone.json' }]) }),
    /lacks gone.json, which/,
  ],
  'docker save whose configuration is null': [
    await dockerSave({ 'manifest.json': jsonOf([{ ...oneImage, Config: null }]) }),
    /manifest.json is not as it should be: 0.Config/,
  ],
  'docker save whose configuration is another document': [
    await dockerSave({ 'config.json': jsonOf({ rootfs: 'none' }) }),
    /config.json is not as it should be: rootfs/,
  ],
  'docker save whose layers are no list': [
    await dockerSave({ 'manifest.json': jsonOf([{ ...oneImage, Layers: 'a/layer.tar' }]) }),
    /manifest.json is not as it should be: 0.Layers/,
  ],
  'docker save before 1.10': [
    await tarOf({ repositories: '{}', 'a/json': '{}', 'a/layer.tar': tars[0] ?? '' }),
    /without index.json and manifest.json/,
  ],
  'an OCI layout without its index': [await tarOf(halfLayout), /without index.json and manifest.json/],
  'an OCI layout in a directory of the tar': [
    await tarOf(Object.fromEntries(Object.entries(inDirectory).map(([name, b]) => [`out/${name}`, b]))),
    /holds an image in its directory out, not at its top/,
  ],
};
for (const [what, [bytes, says]] of Object.entries(noRootfs)) {
  test.serial(`no rootfs: ${what}`, async (t) => {
    t.regex((await pull(write(bytes), options)).error?.message ?? '', says);
  });
}

test.serial(
  'odd, and understood: docker save with one image twice, and a layout without oci-layout',
  async (t) => {
    const twice = [oneImage, { ...oneImage, RepoTags: ['b:2'] }];
    const saved = await pull(write(await dockerSave({ 'manifest.json': jsonOf(twice) })), options);
    t.is(saved.digest, digestOf(image.config));
    const layout = without(layoutOf({ v1: image }), 'oci-layout');
    t.is((await pull(writeLayout(layout), options)).digest, image.digest);
    for (const prefix of ['', './', '/']) {
      const files = Object.entries(layout).map(([name, bytes]) => [`${prefix}${name}`, bytes]);
      t.is((await pull(write(await tarOf(Object.fromEntries(files))), options)).digest, image.digest);
    }
  },
);

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
    { 'manifest.json': jsonOf([one, { ...one, Config: 'b.json', RepoTags: ['b:2'] }]) },
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
