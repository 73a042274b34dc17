import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { ensureInstalled } from '../../scripts/debian.ts';
import { manifestPath, readRootfs } from '../../scripts/image/rootfs-image.ts';
import { distDirectory, mounterExecutable, repository } from '../../scripts/paths.ts';
import { digestOf } from '../../scripts/rootfs/archive.ts';
import { replaceRootfs } from '../../scripts/rootfs/manifest-text.ts';
import { elfArchitecture } from '../../src/host/elf.ts';
import { parseManifest } from '../../src/manifest/manifest.ts';
import { DockerRegistry } from '../support/image/docker-registry.ts';
import { manifestText } from '../support/node/rootfs-versions.ts';
import { faultsOfSpdx } from '../support/packages/spdx-tools.ts';

let scratch = '';

interface Published {
  readonly name: string;
  readonly tag: string;
  readonly rootfs: string;
  readonly digests: { readonly amd64: string };
  /** Of several architectures. */
  readonly index?: string;
  /** As skopeo names it. */
  readonly source: string;
  readonly said: string;
}

const made = new Map<string, Promise<Published>>();

/** What lies in `directory` is made once. */
function publish(directory: string, ...flags: readonly string[]): Promise<Published> {
  const published = made.get(directory) ?? make(directory, flags);
  made.set(directory, published);
  return published;
}

async function make(directory: string, flags: readonly string[]): Promise<Published> {
  const output = join(scratch, directory);
  const args = [
    `${repository}/scripts/image.ts`,
    '--allow-newer',
    '--only=storage-tools',
    '--output',
    output,
    ...flags,
  ];
  const { stdout } = await execa(process.execPath, args, { timeout: 600_000 });
  const published = JSON.parse(await readFile(`${output}.json`, 'utf8'));
  return { ...published, source: `oci:${output}:${published.tag}`, said: stdout };
}

const flagsOf = (directory: string) => (directory === 'gzip' ? ['--compression', 'gzip'] : []);

const { suite, packages } = parseManifest(manifestText, 'rootfs-manifest.json').rootfs;
const versionOf = (name: string) => packages.find((pin) => pin.name === name)?.version;

async function inspect(...args: readonly string[]) {
  return JSON.parse((await execa('skopeo', ['inspect', ...args])).stdout);
}

async function filesOf(directory: string): Promise<Record<string, string>> {
  const root = join(scratch, directory);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const read = paths.sort().map(async (path) => [path.slice(root.length), digestOf(await readFile(path))]);
  return Object.fromEntries(await Promise.all(read));
}

/** Unpacks a layout with GNU tar, layer by layer; an image of ours has no whiteouts. */
async function unpack(published: Published, directory: string): Promise<string> {
  const root = join(scratch, directory);
  await execa('mkdir', [root]);
  const layout = published.source.split(':')[1] ?? '';
  const manifest = await inspect('--raw', published.source);
  for (const { digest } of manifest.layers as { digest: string }[]) {
    const blob = join(layout, 'blobs', digest.replace(':', '/'));
    await execa('tar', ['-xp', '--delay-directory-restore', '--numeric-owner', '-C', root, '-f', blob]);
  }
  return root;
}

test.before('set up', async () => {
  await ensureInstalled(['skopeo', 'tar', 'zstd']);
  scratch = await mkdtemp(join(tmpdir(), 'image-test-'));
});

test.after.always('remove', async () => {
  if (scratch !== '') await rm(scratch, { recursive: true, force: true });
});

test.serial('skopeo reads the layout, its labels and its layers', async (t) => {
  const published = await publish('one');
  const { digests, rootfs, source, said, tag } = published;
  const found = await inspect(source);
  t.is(found.Digest, digests.amd64);
  t.is(found.Architecture, 'amd64');
  t.is(found.Created, '2025-01-01T00:00:00Z');
  t.is(found.Layers.length, 2);
  t.is(found.Layers[0], digestOf(await readFile(`${distDirectory}/rootfs.tar.zst`)), 'the very tar');
  t.like(found.Labels, {
    'org.opencontainers.image.title': 'storage-tools',
    'containerized-mounter.suite': suite,
    'containerized-mounter.rootfs.digest': rootfs,
    'containerized-mounter.manifest': `/${manifestPath}`,
  });
  t.is(found.Labels['containerized-mounter.package.nfs-common'], versionOf('nfs-common'));
  const config = await inspect('--config', source);
  t.is(config.rootfs.diff_ids[0], rootfs);
  t.true(said.includes(`docker://REGISTRY/storage-tools:${tag}\n`));
  t.true(said.endsWith(`mounter install REGISTRY/storage-tools@${digests.amd64}`));
});

test.serial('the top layer holds the manifest', async (t) => {
  const root = await unpack(await publish('one'), 'one-root');
  const text = await readFile(join(root, manifestPath), 'utf8');
  t.is(text, await readFile(`${distDirectory}/rootfs-manifest.json`, 'utf8'));
  const { Labels } = await inspect((await publish('one')).source);
  t.is(Labels['containerized-mounter.manifest.digest'], digestOf(Buffer.from(text)));
});

test.serial('building again gives the same bytes', async (t) => {
  const first = await publish('one');
  const again = await publish('again');
  t.deepEqual(again.digests, first.digests);
  t.deepEqual(await filesOf('again'), await filesOf('one'));
  const gzip = await publish('gzip', ...flagsOf('gzip'));
  t.deepEqual((await publish('gzip-again', '--compression=gzip')).digests, gzip.digests);
  t.is(gzip.tag, first.tag, 'the content is the same');
  t.notDeepEqual(gzip.digests, first.digests);
});

test.serial('in several layers, of either compression, it is the same tree', async (t) => {
  const one = await unpack(await publish('one'), 'whole');
  for (const compression of ['gzip', 'zstd']) {
    const published = await publish(`four-${compression}`, '--layers', '4', '--compression', compression);
    t.is((await inspect(published.source)).Layers.length, 5);
    const root = await unpack(published, `four-${compression}-root`);
    const listing = ['-mindepth', '1', '-printf', '%P %y %m %U:%G %T@ %l\\n'];
    const [expected, found] = await Promise.all([one, root].map((at) => execa('find', [at, ...listing])));
    t.deepEqual(found?.stdout.split('\n').sort(), expected?.stdout.split('\n').sort());
    await execa('diff', ['-r', '--no-dereference', one, root]);
  }
});

test.serial("SPDX's own tools find nothing wrong with the bills, and what is with others", async (t) => {
  await publish('one');
  const bills = [join(scratch, 'one.spdx.json'), `${distDirectory}/image-node-agent.spdx.json`];
  for (const file of bills) t.is(await faultsOfSpdx(file), '');
  const bill = JSON.parse(await readFile(bills[0] ?? '', 'utf8'));
  const [image, part] = bill.packages;
  const wrong = {
    version: { ...bill, spdxVersion: 'SPDX-9' },
    digest: {
      ...bill,
      packages: [image, { ...part, checksums: [{ algorithm: 'SHA256', checksumValue: 'x' }] }],
    },
    part: { ...bill, packages: [image] },
  };
  for (const [name, changed] of Object.entries(wrong)) {
    const file = join(scratch, `wrong-${name}.spdx.json`);
    await writeFile(file, JSON.stringify(changed));
    t.not(await faultsOfSpdx(file), '', name);
  }
});

test.serial('pushed to a registry and read back it has the same digest', async (t) => {
  await using registry = await DockerRegistry.start();
  for (const directory of ['one', 'gzip']) {
    const { source, name, tag, digests } = await publish(directory, ...flagsOf(directory));
    const reference = await registry.pushForDigest(source, `${name}:${tag}`);
    t.is(reference, `${registry.address}/storage-tools@${digests.amd64}`);
    const copy = `oci:${join(scratch, `back-${directory}`)}:back`;
    await execa('skopeo', ['copy', '--src-tls-verify=false', `docker://${reference}`, copy]);
    t.is((await inspect(copy)).Digest, digests.amd64);
    t.is((await inspect(copy)).Labels['containerized-mounter.suite'], suite);
  }
});

test.serial('an index of both architectures gives each the image that is built for it alone', async (t) => {
  const both = ['--architecture', 'amd64', '--architecture', 'arm64'];
  const { digests, index, name, tag, source, said } = await publish('both', ...both);
  const alone = {
    ...(await publish('one')).digests,
    ...(await publish('arm64', '--architecture=arm64')).digests,
  };
  t.deepEqual(digests, alone);
  t.true(said.includes('skopeo copy --all --preserve-digests oci:'));
  await using registry = await DockerRegistry.start();
  const image = `docker://${registry.address}/${name}:${tag}`;
  await execa('skopeo', ['copy', '--all', '--preserve-digests', '--dest-tls-verify=false', source, image]);
  for (const [architecture, digest] of Object.entries(alone)) {
    const home = join(scratch, `extracted-${architecture}`);
    const reference = `${registry.address}/${name}@${index}`;
    const argv = ['install', reference, '--into', home, '--platform', `linux/${architecture}`];
    await execa(mounterExecutable, argv, { env: { MOUNTER_HOME: join(scratch, 'home') } });
    t.is(JSON.parse(await readFile(`${home}.image.json`, 'utf8')).digest, digest);
    t.is(elfArchitecture(join(home, 'usr/sbin/rpcbind')), architecture);
  }
});

test.serial('the manifest may pin images; the image itself holds no pin', async (t) => {
  const text = await readFile(`${distDirectory}/rootfs-manifest.json`, 'utf8');
  const { digests } = await publish('one');
  const manifest = JSON.parse(text);
  manifest.rootfs.image = digests;
  t.deepEqual(parseManifest(JSON.stringify(manifest), 'x').rootfs.image, digests);
  manifest.rootfs.image = { amd64: 'latest' };
  t.throws(() => parseManifest(JSON.stringify(manifest), 'x'), { message: /^rootfs\.image\.amd64: must be/ });
  const pinned = await mkdtemp(join(scratch, 'pinned-'));
  await copyFile(`${distDirectory}/rootfs.tar.zst`, join(pinned, 'rootfs.tar.zst'));
  const { rootfs } = parseManifest(text, 'x');
  await writeFile(join(pinned, 'rootfs-manifest.json'), replaceRootfs(text, { ...rootfs, image: digests }));
  const files = await readRootfs(pinned);
  t.is(files.manifestText, text);
  t.deepEqual(files.pins, digests);
});

test.serial('an output that holds something else is left alone', async (t) => {
  const directory = await mkdtemp(join(scratch, 'other-'));
  await writeFile(join(directory, 'letter'), 'mine');
  const args = [`${repository}/scripts/image.ts`, '--allow-newer', '--output', directory];
  const { exitCode, stderr } = await execa(process.execPath, args, { reject: false });
  t.is(exitCode, 1);
  t.regex(stderr, /: holds something else than an image layout\nhint: name a new directory with --output$/);
  t.deepEqual(await readdir(directory), ['letter']);
});

for (const flag of ['--compression=xz', '--layers=0', '--output=', 'word']) {
  test.serial(`a usage error: ${flag}`, async (t) => {
    const args = [`${repository}/scripts/image.ts`, flag];
    const { exitCode, stderr } = await execa(process.execPath, args, { reject: false });
    t.is(exitCode, 1);
    t.regex(stderr, /^image: .*\nhint: see npm run image -- --help$/);
  });
}
