import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { writeOciLayout } from '../support/image/oci-layout.ts';
import { imageOf, type TestImage, tarOf } from '../support/image/test-image.ts';
import { rounds } from '../support/long-run.ts';
import { mounter, mounterHome, ScratchNode, shared } from '../support/node/namespace.ts';
import {
  currentVersion,
  installedVersions,
  manifestText,
  rootfsBytes,
  unfinished,
} from '../support/node/rootfs-versions.ts';

/** Images of several layers, as a rootfs and to a directory of the operator's. */

const manifestInside = 'usr/share/containerized-mounter/rootfs-manifest.json';
const parsed = JSON.parse(manifestText);
const { digest: _, ...rootfsFacts } = parsed.rootfs;
const ownManifest = (name: string) => JSON.stringify({ ...parsed, rootfs: { ...rootfsFacts, name } });

/** The rootfs; a layer that takes something away and has a marker; one that puts the manifest in. */
async function layeredImage(name: string, isWithManifest = true): Promise<TestImage> {
  const second = await tarOf({
    'usr/share/.wh.doc': '',
    'usr/share/common-licenses/.wh..wh..opq': '',
    marker: name,
  });
  const third = await tarOf({ [isWithManifest ? manifestInside : 'other']: ownManifest(name) });
  const labels = { 'org.opencontainers.image.title': `tools-${name}` };
  const config = { Entrypoint: ['/bin/sh'], Labels: labels };
  return imageOf({ tars: [rootfsBytes, second, third], compression: 'zstd', config });
}

const images = { one: await layeredImage('one'), two: await layeredImage('two') };
const bare = await layeredImage('bare', false);

/** @returns the node's name for it. */
function offerImage(node: ScratchNode, image: TestImage, name: string): string {
  const directory = join(node.sharedDirectory, name);
  if (!existsSync(directory)) writeOciLayout(directory, image);
  return `${shared}/${name}`;
}

function directoryOf({ digest }: TestImage): string {
  return `${mounterHome}/versions/${digest.slice(7)}`;
}

function isCurrent(t: ExecutionContext, node: ScratchNode, image: TestImage, hint?: string): void {
  t.is(currentVersion(node), `versions/${image.digest.slice(7)}`, hint);
}

/** The rootfs in use is one of the two, whole, and its tools run. */
async function isWhole(t: ExecutionContext, node: ScratchNode, hint: string): Promise<void> {
  const name = node.read(`${mounterHome}/${currentVersion(node)}/marker`);
  t.true(name === 'one' || name === 'two', hint);
  if (name === 'one' || name === 'two') isCurrent(t, node, images[name], hint);
  t.is(node.read(`${mounterHome}/${currentVersion(node)}/${manifestInside}`), ownManifest(name), hint);
  t.is((await node.run(['chroot', `${mounterHome}/rootfs`, '/sbin/mount.nfs', '-V'])).status, 0, hint);
}

test.serial('layers are laid one over the other; the manifest inside is the one installed', async (t) => {
  await using node = await ScratchNode.start();
  const source = offerImage(node, images.one, 'one');
  t.regex(await node.mustRun('install', source), new RegExp(`\ninstalled one ${images.one.digest} in `));
  isCurrent(t, node, images.one);
  const root = node.path(directoryOf(images.one));
  t.is(readFileSync(`${root}/marker`, 'utf8'), 'one');
  t.false(existsSync(`${root}/usr/share/doc`), 'a whiteout');
  t.deepEqual(readdirSync(`${root}/usr/share/common-licenses`), [], 'an opaque directory');
  t.is(node.read(`${mounterHome}/rootfs-manifest.json`), ownManifest('one'));
  t.regex(await node.mustRun('install', source), /^installed already: one /);
  t.deepEqual(unfinished(node), []);
});

test.serial('what is read by way of another process has its own name, for that process ends', async (t) => {
  await using node = await ScratchNode.start();
  const source = offerImage(node, images.one, 'one');
  const called = async () => JSON.parse(await node.mustRun('versions', '--json')).versions[0].reference;
  await node.shell(`${mounter} install /proc/$$/root${source}`);
  t.is(await called(), 'tools-one:latest');
  t.regex(
    (await node.mounter('status')).stdout,
    new RegExp(`^rootfs +${images.one.digest}\n +from tools-one:latest\n`, 'm'),
  );
  t.regex(await node.mustRun('versions'), / MB +tools-one:latest\n/);
  // As an earlier mounter wrote it.
  const record = node.path(`${directoryOf(images.one)}.json`);
  const former = JSON.parse(readFileSync(record, 'utf8'));
  writeFileSync(record, JSON.stringify({ ...former, reference: '/proc/983/root/usr/share/image' }));
  await node.shell(`${mounter} install oci:/proc/$$/root${source}`);
  t.is(await called(), 'tools-one:latest');
  await node.mustRun('install', offerImage(node, images.two, 'two'));
  t.is(await called(), `${shared}/two`, 'a path of the host is what the operator called it');
});

test.serial('which manifest it is: named, beside, inside, the one of the node', async (t) => {
  await using node = await ScratchNode.start();
  const installedName = () => JSON.parse(node.read(`${mounterHome}/rootfs-manifest.json`)).rootfs.name;
  const source = offerImage(node, bare, 'bare');
  const none = await node.mounter('install', source);
  t.is(none.status, 1);
  t.regex(
    none.stderr,
    /bare: the image has no \/usr\/share\/.*rootfs-manifest.json, and this node has no manifest yet\nhint: .*--manifest/,
  );
  t.deepEqual(unfinished(node), []);
  t.deepEqual(installedVersions(node), []);
  writeFileSync(join(node.sharedDirectory, 'named.json'), ownManifest('named'));
  await node.mustRun('install', source, '--manifest', `${shared}/named.json`);
  t.is(installedName(), 'named');
  await node.mustRun('install', offerImage(node, images.one, 'one'));
  t.is(installedName(), 'one');
  await node.mustRun('install', source);
  t.is(installedName(), 'one', "the node's");
  writeFileSync(join(node.sharedDirectory, 'rootfs-manifest.json'), ownManifest('beside'));
  await node.mustRun('install', offerImage(node, images.one, 'one'));
  t.is(installedName(), 'beside');
  await node.mustRun('install', source, '--manifest', `${shared}/named.json`);
  t.is(installedName(), 'named');
});

test.serial('a version that is there and not switched to', async (t) => {
  await using node = await ScratchNode.start();
  await node.mustRun('install', offerImage(node, images.one, 'one'));
  const said = await node.mustRun('install', '--no-switch', offerImage(node, images.two, 'two'));
  t.true(said.endsWith(`\nmounter rollback ${images.two.digest} switches to it\n`), said);
  isCurrent(t, node, images.one);
  t.is(node.read(`${mounterHome}/rootfs-manifest.json`), ownManifest('one'));
  await node.mustRun('rollback', images.two.digest);
  isCurrent(t, node, images.two);
  t.is(node.read(`${mounterHome}/rootfs-manifest.json`), ownManifest('two'));
  t.notRegex(await node.mustRun('install', '--no-switch', offerImage(node, images.two, 'two')), /rollback/);
});

test.serial('refused: another digest, a manifest that promises more, a blob that is damaged', async (t) => {
  await using node = await ScratchNode.start();
  await node.mustRun('install', offerImage(node, images.one, 'one'));
  const source = offerImage(node, images.two, 'two');
  const more = JSON.parse(ownManifest('more'));
  more.filesystems.cifs = { ...more.filesystems.nfs, helper: '/sbin/mount.cifs', kind: 'generic' };
  writeFileSync(join(node.sharedDirectory, 'more.json'), JSON.stringify(more));
  offerImage(node, images.two, 'short');
  const blob = [...images.two.blobs.keys()].find(
    (digest) => images.two.blobs.get(digest) === images.two.layers[0],
  );
  await node.shell(`truncate -s -1000 ${shared}/short/blobs/${blob?.replace(':', '/')}`);
  for (const [words, says] of [
    [[source, '--digest', images.one.digest], new RegExp(`${images.two.digest}, not ${images.one.digest}`)],
    [
      [source, '--manifest', `${shared}/more.json`],
      /the rootfs lacks \/sbin\/mount.cifs, which the settings need/,
    ],
    [[`${shared}/short`], new RegExp(`/short: the blob ${blob?.slice(0, 19)}.* bytes instead of `)],
  ] as const) {
    const { status, stderr } = await node.mounter('install', ...words);
    t.is(status, 2, stderr);
    t.regex(stderr, says);
    t.regex(stderr, /\nhint: /);
    isCurrent(t, node, images.one);
    t.deepEqual(installedVersions(node), [images.one.digest]);
    t.deepEqual(unfinished(node), []);
  }
});

test.serial('a helper that does not run is refused', async (t) => {
  await using node = await ScratchNode.start();
  const broken = await tarOf({ 'usr/share/broken': '', 'usr/lib/x86_64-linux-gnu/.wh.libtirpc.so.3': '' });
  const own = await tarOf({ [manifestInside]: ownManifest('broken') });
  const image = imageOf({ tars: [rootfsBytes, broken, own] });
  const { status, stderr } = await node.mounter('install', offerImage(node, image, 'broken'));
  t.is(status, 2);
  t.regex(stderr, /broken: the rootfs cannot run .*\/sbin\/rpcbind \(.*libtirpc\.so\.3/);
  t.deepEqual(unfinished(node), []);
  t.deepEqual(node.processes(), []);
});

test.serial('any image to a directory, and nothing else', async (t) => {
  await using node = await ScratchNode.start();
  const source = offerImage(node, bare, 'bare');
  await node.shell('mkdir -p /home/empty /home/filled; touch /home/filled/file /home/file');
  for (const directory of ['/home/new/rootfs', '/home/empty']) {
    t.is(
      await node.mustRun('install', source, '--into', directory),
      `unpacked ${source} (${bare.digest}) to ${directory}\n`,
    );
    t.is(node.read(`${directory}/marker`), 'bare');
    t.false(existsSync(node.path(`${directory}/usr/share/doc`)));
    t.true(lstatSync(node.path(`${directory}/usr/sbin/mount.nfs`)).isFile());
  }
  for (const [directory, says] of [
    ['/home/filled', /filled: is not empty\nhint: /],
    ['/home/empty', /empty: is not empty\nhint: /],
    ['/home/file', /file: is there, and no directory\nhint: /],
  ] as const) {
    const { status, stderr } = await node.mounter('install', source, '--into', directory);
    t.is(status, 1);
    t.regex(stderr, says);
  }
  await node.shell('mkdir /home/mounted; mount -t tmpfs tmpfs /home/mounted');
  t.regex(
    (await node.mounter('install', source, '--into', '/home/mounted')).stderr,
    /is a mount point\nhint: /,
  );
  t.is((await node.mounter('install', source, '--into', '/home/x', '--home', '/home/y')).status, 1);
  t.false(existsSync(node.path(mounterHome)));
  const names = ['empty', 'empty.image.json', 'file', 'filled', 'mounted', 'new'];
  t.deepEqual(readdirSync(node.path('/home')).sort(), names);
  t.like(JSON.parse(node.read('/home/empty.image.json')), { digest: bare.digest, entrypoint: ['/bin/sh'] });
});

test.serial(
  'killed while it unpacks to a directory: not there or whole, and the next run cleans up',
  async (t) => {
    await using node = await ScratchNode.start();
    const source = offerImage(node, bare, 'bare');
    for (let moment = 0; moment < 8; moment += 1) {
      const seconds = (0.02 + moment * 0.04).toFixed(3);
      const argv = [mounter, 'install', source, '--into', '/home/tree'];
      const { status } = await node.run(['timeout', '--foreground', '-s', 'KILL', seconds, ...argv]);
      if (status !== 0) {
        // Killed after the last rename it is there, and whole; the next run then only cleans up.
        const isThere = existsSync(node.path('/home/tree'));
        t.is((await node.mounter(...argv.slice(1))).status, isThere ? 1 : 0);
      }
      t.is(node.read('/home/tree/marker'), 'bare');
      t.deepEqual(readdirSync(node.path('/home')).sort(), ['tree', 'tree.image.json']);
      await node.shell('rm -r /home/tree /home/tree.image.json');
    }
  },
);

test.serial('a full disk: the version before stays, and nothing is left', async (t) => {
  await using node = await ScratchNode.start({ home: 'size=230m' });
  await node.mustRun('install', offerImage(node, images.one, 'one'));
  await node.shell('head -c 70m /dev/zero >/home/ballast');
  const { status, stderr } = await node.mounter('install', offerImage(node, images.two, 'two'));
  t.is(status, 2);
  t.regex(stderr, /ENOSPC.*\nhint: the disk is full: make room/);
  isCurrent(t, node, images.one);
  t.deepEqual(installedVersions(node), [images.one.digest]);
  t.deepEqual(unfinished(node), []);
  await node.shell('rm /home/ballast');
  await node.mustRun('install', offerImage(node, images.two, 'two'));
  isCurrent(t, node, images.two);
});

test.serial('two installs at once, of one image and of two', async (t) => {
  await using node = await ScratchNode.start();
  const [one, two] = [offerImage(node, images.one, 'one'), offerImage(node, images.two, 'two')];
  const said = await Promise.all([node.mustRun('install', one), node.mustRun('install', one)]);
  t.is(said.filter((text) => text.startsWith('installed already')).length, 1);
  await Promise.all([node.mustRun('install', two), node.mustRun('install', one), node.mustRun('prune')]);
  await isWhole(t, node, 'after both');
  t.deepEqual(unfinished(node), []);
});

const kills = rounds(8, 50);
test.serial(
  `SIGKILL at ${kills} random moments: always one whole rootfs, and the next install succeeds`,
  async (t) => {
    await using node = await ScratchNode.start();
    const sources = { one: offerImage(node, images.one, 'one'), two: offerImage(node, images.two, 'two') };
    await node.mustRun('install', sources.one);
    const begun = performance.now();
    await node.mustRun('install', sources.two);
    let wholeMs = performance.now() - begun;
    let killed = 0;
    for (let run = 0; killed < kills; run += 1) {
      const name = run % 2 === 0 ? 'one' : 'two';
      // So that it has to be unpacked again.
      await node.mustRun('prune', '--keep', '1');
      // Never 0, which timeout(1) takes for no limit.
      const seconds = (0.005 + (wholeMs / 1000) * Math.random()).toFixed(3);
      const hint = `killed after ${seconds} s`;
      const argv = [mounter, 'install', sources[name]];
      const { status } = await node.run(['timeout', '--foreground', '-s', 'KILL', seconds, ...argv]);
      if (status !== 0) killed += 1;
      // It was faster than the first time.
      else wholeMs = Math.max(50, Number(seconds) * 1000);
      await isWhole(t, node, hint);
      const { stderr } = await node.mounter('install', sources[name]);
      t.notRegex(stderr, /^mounter: /m, hint);
      isCurrent(t, node, images[name], hint);
      await isWhole(t, node, `${hint}, and mended`);
      t.deepEqual(unfinished(node), [], hint);
    }
    t.deepEqual(node.processes(), []);
  },
);

test.serial('ended by a signal: status 8, and nothing is left', async (t) => {
  await using node = await ScratchNode.start();
  await node.mustRun('install', offerImage(node, images.one, 'one'));
  const source = offerImage(node, images.two, 'two');
  for (const signal of ['INT', 'TERM', 'HUP']) {
    const isBegun = `ls -d ${mounterHome}/versions/.unfinished-*/version >/dev/null 2>&1`;
    const script = `${mounter} install ${source} & until ${isBegun}; do :; done; kill -${signal} $!; wait $!`;
    const { status, stderr } = await node.run(['sh', '-c', script]);
    t.deepEqual([status, stderr.split('\n')[0]], [8, 'mounter: interrupted'], signal);
    t.deepEqual(unfinished(node), [], signal);
    isCurrent(t, node, images.one);
  }
  await node.mustRun('install', source);
  isCurrent(t, node, images.two);
});
