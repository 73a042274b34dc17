import test from 'ava';
import type { ManifestMount } from '../../../../src/manifest/manifest.ts';
import { mountsOfView, wantedMounts } from '../../../../src/prepare/namespace/views.ts';
import { layout, manifest } from '../../../support/model/node-model.ts';

/** What of the host is seen where daemons live, and where mounts are made. */

const shipped = wantedMounts(layout, manifest);
const places = (mounts: readonly ManifestMount[]) => mounts.map(({ rootfs }) => rootfs);

test('no view has the directory that holds the Pods’ volumes', (t) => {
  t.true(shipped.some(({ propagation }) => propagation === 'shared'));
  for (const view of ['services', 'helpers'] as const) {
    const mounts = mountsOfView(view, shipped);
    t.deepEqual(
      mounts.filter(({ propagation }) => propagation === 'shared'),
      [],
    );
    t.false(mounts.some(({ host = '' }) => '/var/lib/kubelet/pods'.startsWith(`${host}/`)));
  }
});

test('services: all else that the manifest has, and the start-statd that starts daemons', (t) => {
  const mounts = mountsOfView('services', shipped);
  t.deepEqual(
    mounts,
    shipped.filter(({ propagation }) => propagation !== 'shared'),
  );
  t.is(mounts.at(-1)?.host, layout.startStatd);
});

test('helpers: of what ships nothing but our start-statd', (t) => {
  t.deepEqual(mountsOfView('helpers', shipped), [
    {
      host: layout.startStatd,
      rootfs: manifest.daemons.startStatd,
      type: 'bind',
      access: 'rw',
      propagation: 'private',
      optional: false,
    },
  ]);
});

const own = (rootfs: string): ManifestMount => ({
  host: rootfs,
  rootfs,
  type: 'bind',
  access: 'ro',
  propagation: 'private',
  optional: true,
});

test('helpers have what an operator adds, unless it leads to the host or to daemons', (t) => {
  const added = [
    '/etc/krb5.keytab',
    '/etc/hosts',
    '/procedures',
    '/var/lib/nfsd',
    '/proc/self/root',
    '/run/secrets',
    '/sys/fs',
    '/dev/sda',
    '/var/lib/nfs/rpc_pipefs',
    '/var/log/glusterfs/old',
  ];
  const seen = mountsOfView('helpers', added.map(own));
  t.deepEqual(places(seen), ['/etc/krb5.keytab', '/etc/hosts', '/procedures', '/var/lib/nfsd']);
});
