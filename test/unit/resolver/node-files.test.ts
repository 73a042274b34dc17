import test from 'ava';
import { copyNodeFiles, leftOutOfCopies, oldCopies } from '../../../src/resolver/node-files.ts';
import { areCopiesOld } from '../../../src/resolver/stamps.ts';
import { HostModel } from '../../support/model/host-model.ts';
import { manifest } from '../../support/model/node-model.ts';

const rootfs = '/home/mounter/versions/1';
const localhost = '127.0.0.1 localhost\n';

function node(files: Readonly<Record<string, string>> = {}): HostModel {
  const host = new HostModel().directory('/etc', rootfs, `${rootfs}/etc`);
  for (const [path, text] of Object.entries(files)) host.replaceText(path, text);
  return host;
}

const prepare = (host: HostModel, mounts = manifest.mounts) =>
  copyNodeFiles(rootfs, { host, manifest: { mounts } });
const isOld = (host: HostModel) => areCopiesOld({ host, rootfs });
/** Without its first line. */
const copy = (host: HostModel, path: string) => host.texts.get(`${rootfs}${path}`)?.replace(/^#.*\n/, '');

test('the node’s files are copied, and a second look finds nothing to do', (t) => {
  const host = node({ '/etc/hosts': `${localhost}10.0.0.5 nas\n`, '/etc/nfsmount.conf': 'x' });
  t.false(isOld(host), 'prepare comes first');
  t.deepEqual(prepare(host), [`copied /etc/hosts, /etc/nfsmount.conf of this node into ${rootfs}`]);
  t.is(copy(host, '/etc/hosts'), `${localhost}10.0.0.5 nas\n`);
  t.is(copy(host, '/etc/nfsmount.conf'), 'x');
  t.false(isOld(host));
  t.deepEqual(prepare(host), []);
});

for (const [title, change] of [
  ['changed in place', (host) => host.replaceText('/etc/hosts', `${localhost}10.0.0.6 nas\n`)],
  ['a file of a directory changed', (host) => host.replaceText('/etc/nfs.conf.d/a.conf', 'b')],
  [
    'one that appears, which changes /etc',
    (host) => {
      host.replaceText('/etc/nfs.conf', 'x');
      host.file('/etc', { ...host.stat('/etc'), changedMs: 9 });
    },
  ],
  ['one that is gone', (host) => host.remove('/etc/hosts')],
] as const satisfies readonly (readonly [string, (host: HostModel) => void])[])
  test(`${title}: the next mount copies it`, (t) => {
    const host = node({ '/etc/hosts': localhost, '/etc/nfs.conf.d/a.conf': 'a' }).directory(
      '/etc/nfs.conf.d',
    );
    prepare(host);
    t.false(isOld(host));
    change(host);
    t.true(isOld(host));
    t.is(prepare(host).length, 1);
    t.false(isOld(host));
    t.deepEqual(oldCopies(rootfs, { host, manifest }), []);
  });

test("a distribution's own settings in /usr/etc are copied beside those of /etc", (t) => {
  const host = node({ '/etc/hosts': localhost });
  host.directory('/usr/etc', '/usr/etc/nfs.conf.d', `${rootfs}/usr`);
  host.replaceText('/usr/etc/nfs.conf', '[statd]\nport=4662\nha-callout=/bin/x\n');
  host.replaceText('/usr/etc/nfs.conf.d/a.conf', 'a');
  prepare(host);
  t.is(copy(host, '/usr/etc/nfs.conf'), '[statd]\nport=4662\n# left out: ha-callout=/bin/x\n');
  t.is(copy(host, '/usr/etc/nfs.conf.d/a.conf'), 'a');
  t.is(copy(host, '/etc/nfs.conf'), undefined);
  t.false(isOld(host));
  host.replaceText('/usr/etc/nfsmount.conf', 'x');
  host.file('/usr/etc', { ...host.stat('/usr/etc'), changedMs: 9 });
  t.true(isOld(host), 'one has appeared');
  prepare(host);
  t.is(copy(host, '/usr/etc/nfsmount.conf'), 'x');
});

test('another /etc, that of a container, says nothing of the node', (t) => {
  const host = node({ '/etc/hosts': localhost });
  prepare(host);
  host.directory('/etc').replaceText('/etc/hosts', '172.17.0.2 container\n');
  t.false(isOld(host));
});

test('a file that the node has no more is taken out of the rootfs, and the image’s own stays', (t) => {
  const host = node({ '/etc/nfs.conf': 'a', '/etc/nfs.conf.d/b.conf': 'b' }).directory('/etc/nfs.conf.d');
  host.replaceText(`${rootfs}/etc/gai.conf`, "the image's");
  prepare(host);
  host.remove('/etc/nfs.conf');
  host.remove('/etc/nfs.conf.d/b.conf');
  prepare(host);
  t.is(copy(host, '/etc/nfs.conf'), undefined);
  t.is(copy(host, '/etc/nfs.conf.d/b.conf'), undefined);
  t.is(host.texts.get(`${rootfs}/etc/gai.conf`), "the image's");
  t.is(copy(host, '/etc/hosts'), `${localhost}::1 localhost\n`, 'a node without one');
});

test('names that are no settings are not copied', (t) => {
  const host = node({ '/etc/nfs.conf.d/.x.conf': 'a', '/etc/nfs.conf.d/x.conf~': 'b' }).directory(
    '/etc/nfs.conf.d',
  );
  prepare(host);
  t.deepEqual(host.list(`${rootfs}/etc`), ['hosts']);
});

for (const [path, text, kept, told] of [
  [
    '/etc/nfsmount.conf',
    '[ X ]\n Background=True\nhard=True\n',
    '[ X ]\n# left out:  Background=True\nhard=True\n',
    'Background=True',
  ],
  [
    '/etc/nfs.conf',
    '[statd]\nha-callout = /usr/bin/x\nport=4000\n',
    '[statd]\n# left out: ha-callout = /usr/bin/x\nport=4000\n',
    'ha-callout = /usr/bin/x',
  ],
] as const)
  test(`${path}: ${told} is left out, and told`, (t) => {
    const host = node({ [path]: text });
    t.deepEqual(prepare(host).slice(1), [`left out of the copy of ${path}: ${told}`]);
    t.is(copy(host, path), kept);
    t.deepEqual(leftOutOfCopies(rootfs, { host, manifest }), [
      { told: `left out of the copy of ${path}: ${told}`, remedy: `take that out of ${path}` },
    ]);
  });

for (const [title, status] of [
  ['a pipe', { kind: 'other' }],
  ['a file that others can change', { isRoots: false }],
  ['a file of 2 MB', { size: 2e6 }],
] as const)
  test(`${title} is not copied, and told`, (t) => {
    const host = node({ '/etc/nfs.conf': 'x' });
    host.file('/etc/nfs.conf', status);
    prepare(host);
    t.is(copy(host, '/etc/nfs.conf'), undefined);
    const [left] = leftOutOfCopies(rootfs, { host, manifest });
    t.regex(`${left?.told}`, /^\/etc\/nfs\.conf is not copied/);
    t.is(left?.remedy, "make it a plain file of root's alone");
  });

test('an image’s symlink in the place of a directory is not followed', (t) => {
  const host = node({ '/etc/nfs.conf.d/a.conf': 'a' }).directory('/etc/nfs.conf.d');
  host.file(`${rootfs}/etc/nfs.conf.d`, { kind: 'symlink' });
  prepare(host);
  t.is(host.lstat(`${rootfs}/etc/nfs.conf.d`)?.kind, 'directory');
});

test('what the manifest mounts there is left to it', (t) => {
  const host = node({ '/etc/hosts': localhost });
  const mount = {
    host: '/x',
    rootfs: '/etc/hosts',
    type: 'bind',
    access: 'ro',
    propagation: 'private',
    optional: false,
  } as const;
  prepare(host, { ...manifest.mounts, mounter: [...manifest.mounts.mounter, mount] });
  t.is(copy(host, '/etc/hosts'), undefined);
});

test('a call with an older state that writes last is found out', (t) => {
  const host = node({ '/etc/hosts': localhost });
  const { replaceText } = host;
  let isRaced = false;
  host.replaceText = (path, text) => {
    replaceText(path, text);
    if (isRaced || !path.endsWith('.mounter-node-files')) return;
    isRaced = true;
    replaceText(`${rootfs}/etc/hosts`, 'older\n');
  };
  prepare(host);
  t.is(copy(host, '/etc/hosts'), localhost);
});
