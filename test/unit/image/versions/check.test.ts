import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { placeInRoot, resolveInRoot } from '../../../../src/host/path-in-root.ts';
import { checkRootfs, missingFrom } from '../../../../src/image/versions/check.ts';
import { HostModel } from '../../../support/model/host-model.ts';
import { manifest } from '../../../support/model/node-model.ts';

const promised = [
  '/sbin/mount.nfs',
  '/sbin/mount.nfs4',
  '/sbin/mount.glusterfs',
  '/sbin/rpcbind',
  '/sbin/rpc.statd',
  '/sbin/rpc.gssd',
  '/sbin/rpc.idmapd',
  '/sbin/tlshd',
];
const called = ['sh', 'rpcinfo', 'timeout', 'flock', 'date', 'sleep', 'mkdir', 'chown']
  .concat(['glusterfs', 'sed', 'awk', 'cut', 'grep', 'stat', 'uname', 'wc'])
  .map((name) => `/usr/bin/${name}`);
const translators = [
  ...['mount/fuse', 'meta', 'protocol/client', 'cluster/distribute', 'cluster/replicate', 'cluster/disperse'],
  ...['write-behind', 'read-ahead', 'readdir-ahead', 'io-cache', 'open-behind', 'quick-read', 'md-cache'].map(
    (name) => `performance/${name}`,
  ),
  'debug/io-stats',
];
const libraries = ['libgcc_s.so.1', 'glusterfs/10.3/rpc-transport/socket.so']
  .concat(translators.map((name) => `glusterfs/10.3/xlator/${name}.so`))
  .map((name) => `/usr/lib/${name}`);
const files = ['netconfig', 'protocols', 'services', 'rpc', 'nsswitch.conf'].map((name) => `/etc/${name}`);

/** A directory with every helper that the manifest promises. */
class Rootfs implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'check-test-'));

  constructor() {
    mkdirSync(join(this.root, 'etc'));
    for (const path of [...promised, ...called]) this.program(path);
    for (const path of files) writeFileSync(this.root + path, '');
    for (const path of libraries) this.program(path);
  }

  program(path: string): void {
    mkdirSync(dirname(this.root + path), { recursive: true });
    writeFileSync(this.root + path, '#!/bin/sh\n', { mode: 0o755 });
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

test('all there', (t) => {
  using rootfs = new Rootfs();
  t.deepEqual(missingFrom(rootfs.root, manifest), []);
});

test('a helper by symlinks that are resolved inside', (t) => {
  using rootfs = new Rootfs();
  rmSync(`${rootfs.root}/sbin/mount.nfs4`);
  rootfs.program('/opt/real');
  symlinkSync('/opt/real', `${rootfs.root}/sbin/mount.nfs4`);
  t.deepEqual(missingFrom(rootfs.root, manifest), []);
});

for (const [what, spoil] of [
  ['missing', () => {}],
  ['not executable', (path: string) => writeFileSync(path, '', { mode: 0o644 })],
  ['a directory', (path: string) => mkdirSync(path)],
  ['a symlink to nothing', (path: string) => symlinkSync('/none', path)],
  ["a symlink to the host's own", (path: string) => symlinkSync('/bin/sh', path)],
  ['a symlink out of it', (path: string) => symlinkSync('../../../../../../bin/sh', path)],
  ['a symlink to itself', (path: string) => symlinkSync('mount.nfs', path)],
] as const) {
  test(`a helper that is ${what} is named`, (t) => {
    using rootfs = new Rootfs();
    rmSync(`${rootfs.root}/sbin/mount.nfs`);
    spoil(`${rootfs.root}/sbin/mount.nfs`);
    t.deepEqual(missingFrom(rootfs.root, manifest), ['/sbin/mount.nfs']);
  });
}

test('what NFS looks up and what scripts call is named with the rest', (t) => {
  using rootfs = new Rootfs();
  const client = '/usr/lib/glusterfs/10.3/xlator/protocol/client.so';
  for (const path of [
    '/etc/netconfig',
    '/etc/rpc',
    '/usr/bin/flock',
    '/usr/bin/awk',
    '/sbin/rpcbind',
    client,
  ])
    rmSync(rootfs.root + path);
  const missing = [
    '/sbin/rpcbind',
    'flock',
    'awk',
    '/etc/netconfig',
    '/etc/rpc',
    'xlator/protocol/client.so',
  ];
  t.deepEqual(missingFrom(rootfs.root, manifest), missing);
  const { glusterfs = never() } = manifest.filesystems;
  const without = { ...manifest, filesystems: { glusterfs } };
  t.deepEqual(
    missingFrom(rootfs.root, without),
    ['/sbin/rpcbind', 'awk', 'xlator/protocol/client.so'],
    'GlusterFS alone',
  );
});

function never(): never {
  throw new Error('the manifest has no glusterfs');
}

test('an etc that is no directory of its own', async (t) => {
  using rootfs = new Rootfs();
  rmSync(`${rootfs.root}/etc`, { recursive: true });
  symlinkSync('/etc', `${rootfs.root}/etc`);
  await t.throwsAsync(checkRootfs(rootfs.root, manifest, new HostModel(), 'image'), { message: /\/etc/ });
});

test('paths as chroot(2) sees them', (t) => {
  using rootfs = new Rootfs();
  symlinkSync('/sbin', `${rootfs.root}/abs`);
  symlinkSync('../../../sbin', `${rootfs.root}/up`);
  t.is(resolveInRoot(rootfs.root, '/abs/rpcbind'), '/sbin/rpcbind');
  t.is(resolveInRoot(rootfs.root, '/up/./rpcbind'), '/sbin/rpcbind');
  t.is(resolveInRoot(rootfs.root, '/sbin/../../sbin/rpcbind'), '/sbin/rpcbind');
  t.is(resolveInRoot(rootfs.root, '/none/rpcbind'), undefined);
  symlinkSync('/usr/none', `${rootfs.root}/broken`);
  symlinkSync('none/../sbin', `${rootfs.root}/back`);
  const places = {
    '/abs//none/./of/': '/sbin/none/of',
    '/abs': '/abs',
    '': '/',
    // Not by the link, which would be followed from another root.
    '/broken/of/file': '/usr/none/of/file',
    '/broken': '/broken',
    // Which is not there for the kernel, either.
    '/back/rpcbind': '/none/../sbin/rpcbind',
  };
  for (const [path, place] of Object.entries(places)) t.is(placeInRoot(rootfs.root, path), place, path);
  symlinkSync('circle', `${rootfs.root}/circle`);
  t.is(resolveInRoot(rootfs.root, '/circle/x'), undefined);
  chmodSync(rootfs.root, 0o755);
});
