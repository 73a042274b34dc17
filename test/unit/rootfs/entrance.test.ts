import test from 'ava';
import { parseManifest } from '../../../src/manifest/manifest.ts';
import {
  hasMoveMount,
  helpersPin,
  isEnterable,
  namespacesLink,
  rootfsEntrance,
  wantedEnter,
  wantedEntrance,
} from '../../../src/rootfs/entrance.ts';
import { HostModel } from '../../support/model/host-model.ts';
import { attachNode, layout, manifest, pins, preparedNode } from '../../support/model/node-model.ts';

const kernel = (release: string | undefined) => {
  const host = new HostModel();
  if (release !== undefined) host.texts.set('/proc/sys/kernel/osrelease', `${release}\n`);
  return host;
};

for (const [release, has] of [
  ['5.2.0', true],
  ['5.10.0-28-amd64', true],
  ['6.1.112+', true],
  ['10.0.0', true],
  ['5.2-rc1', true],
  ['5.1.21', false],
  ['5.1', false],
  ['4.19.0-27-cloud-amd64', false],
  ['3.10.0-1160.el7.x86_64', false],
  ['', false],
  ['unknown', false],
  [undefined, false],
] as const) {
  test(`a kernel that calls itself ${release} has move_mount(2): ${has}`, (t) => {
    const host = kernel(release);
    t.is(hasMoveMount(host), has);
    for (const enter of ['attach', 'namespace'] as const)
      t.is(wantedEnter({ enter }, host), has ? 'attach' : 'chroot', enter);
    t.is(wantedEnter({ enter: 'chroot' }, host), 'chroot');
  });
}

test('the manifest that ships attaches; what an older one calls namespace is read as that', (t) => {
  t.is(manifest.enter, 'attach');
  const { enter, ...rest } = manifest;
  t.is(parseManifest(JSON.stringify(rest), 'm').enter, 'attach', enter);
  const older = parseManifest(JSON.stringify({ ...rest, enter: 'namespace' }), 'm');
  t.is(wantedEnter(older, kernel('6.1.0')), 'attach');
  t.throws(() => parseManifest(JSON.stringify({ ...rest, enter: 'pivot' }), 'm'), { message: /^enter: / });
});

test('what prepare is to make', (t) => {
  const directory = '/home/mounter/versions/abc';
  t.deepEqual(wantedEntrance(directory, { enter: 'attach' }, kernel('6.1.0')), {
    kind: 'namespace',
    file: `${directory}/${namespacesLink}/services`,
  });
  t.deepEqual(wantedEntrance(directory, { enter: 'attach' }, kernel('4.19.0')), {
    kind: 'chroot',
    directory,
  });
});

test('calls go by what the version was prepared for, and not by the manifest', (t) => {
  t.deepEqual(rootfsEntrance(layout.rootfs, preparedNode()), { kind: 'chroot', directory: layout.rootfs });
  t.is(helpersPin(layout.rootfs, preparedNode()), undefined);
  const host = attachNode();
  t.deepEqual(rootfsEntrance(layout.rootfs, host), { kind: 'namespace', file: `${pins}/services` });
  t.is(helpersPin(layout.rootfs, host), `${pins}/helpers`);
});

for (const link of ['versions/abc', '/home/mounter/versions/abc']) {
  test(`through the symlink to the version in use: ${link}`, (t) => {
    const host = preparedNode();
    host.links.set(layout.rootfs, link);
    t.deepEqual(rootfsEntrance(layout.rootfs, host), {
      kind: 'chroot',
      directory: '/home/mounter/versions/abc',
    });
    host.links.set(`/home/mounter/versions/abc/${namespacesLink}`, pins);
    t.is(helpersPin(layout.rootfs, host), `${pins}/helpers`);
  });
}

test('in a container of its own the pins are those of the host’s process 1, where only root may look', (t) => {
  const host = attachNode();
  host.file(`${pins}/helpers`, { device: 1 });
  t.is(helpersPin(layout.rootfs, host), `${pins}/helpers`, 'no pin anywhere: the name is told');
  host.file(`/proc/1/root${pins}/helpers`, { device: 4 });
  t.is(helpersPin(layout.rootfs, host), `/proc/1/root${pins}/helpers`);
  const { stat } = host;
  host.stat = (path) => {
    if (path.startsWith('/proc/1/')) throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
    return stat(path);
  };
  t.is(helpersPin(layout.rootfs, host), `${pins}/helpers`);
});

test('a pin can be entered while it pins a namespace, a directory while it is one', (t) => {
  const host = attachNode();
  t.true(isEnterable(host, { kind: 'namespace', file: `${pins}/services` }));
  t.true(isEnterable(host, { kind: 'chroot', directory: layout.rootfs }));
  host.file(`${pins}/services`, { device: 1 });
  host.file(layout.rootfs);
  t.false(isEnterable(host, { kind: 'namespace', file: `${pins}/services` }));
  t.false(isEnterable(host, { kind: 'namespace', file: `${pins}/none` }));
  t.false(isEnterable(host, { kind: 'chroot', directory: layout.rootfs }));
});
