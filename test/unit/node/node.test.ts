import test from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { layoutOf } from '../../../src/node/layout.ts';
import { findLayout, readManifest, requireRoot } from '../../../src/node/node.ts';
import { HostModel } from '../../support/model/host-model.ts';

const standard = '/home/kubernetes/containerized_mounter';

const homes: readonly (readonly [
  title: string,
  executable: string,
  environment: NodeJS.ProcessEnv,
  home: string,
])[] = [
  ['nothing said: where kubelet has it', '/usr/bin/mounter', {}, standard],
  ['the directory of an executable that is installed', '/opt/mounter/mounter', {}, '/opt/mounter'],
  ['MOUNTER_HOME before that', '/opt/mounter/mounter', { MOUNTER_HOME: '/srv/m' }, '/srv/m'],
  ['an empty one is none', '/usr/bin/mounter', { MOUNTER_HOME: '' }, standard],
  ['trailing slashes', '/usr/bin/mounter', { MOUNTER_HOME: '/srv/m//' }, '/srv/m'],
  ['a name with dots', '/usr/bin/mounter', { MOUNTER_HOME: '/srv/..m/m..' }, '/srv/..m/m..'],
];
for (const [title, executable, environment, home] of homes) {
  test(`home: ${title}`, (t) => {
    const host = new HostModel().directory('/opt/mounter/versions');
    t.deepEqual(findLayout(host, executable, environment), layoutOf(home));
  });
}

for (const home of ['relative', './x', '/a/../b', '/..', '..', ' ']) {
  test(`MOUNTER_HOME=${JSON.stringify(home)} is refused`, (t) => {
    const error = t.throws(() => findLayout(new HostModel(), '/x', { MOUNTER_HOME: home }), {
      instanceOf: MounterError,
    });
    t.is(error?.subject, home);
    t.is(error?.status, 1);
  });
}

test('every path is below home, but for the manifest that MOUNTER_MANIFEST names', (t) => {
  const layout = findLayout(new HostModel(), '/x', { MOUNTER_HOME: '/h', MOUNTER_MANIFEST: '/etc/m.json' });
  const { home, manifest, ...others } = layout;
  t.is(home, '/h');
  t.is(manifest, '/etc/m.json');
  t.true(Object.values(others).every((path) => path.startsWith('/h/')));
});

test('no manifest: what is missing and what to do', async (t) => {
  const error = await t.throwsAsync(readManifest(new HostModel(), layoutOf('/h')), {
    instanceOf: MounterError,
  });
  t.is(error?.subject, '/h/rootfs-manifest.json');
  t.regex(error?.hint ?? '', /mounter install/);
});

test('only root', (t) => {
  const host = new HostModel();
  t.notThrows(() => requireRoot(host, 'it'));
  host.userId = 1000;
  t.throws(() => requireRoot(host, 'it'), { instanceOf: MounterError, message: 'it needs root' });
});
