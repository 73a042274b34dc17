import test from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { runPlan } from '../../../src/mount/run.ts';
import { isWithinVolume } from '../../../src/mount/target.ts';
import { contextOf, layout, planFor, preparedNode, target } from '../../fixtures/node-model.ts';

const v4 = ['-t', 'nfs', '-o', 'vers=4', 'srv:/x', target];

test('a helper that mounted on /etc of the rootfs: found, undone and said', async (t) => {
  const host = preparedNode();
  const stray = `${layout.versions}/abc/etc`;
  host.onRun = ({ argv }) => {
    if (argv.includes('/sbin/mount.nfs')) {
      host.directory(stray).mount(stray);
      const others = [
        '/mnt/admins',
        '/var/lib/kubelet/pods/other/volumes/v',
        `${layout.versions}/abc/var/lib/kubelet/x`,
      ];
      const lines = [stray, ...others].map((path, id) => `${id + 200} 1 0:50 / ${path} rw - nfs4 srv:/x rw`);
      host.texts.set('/proc/self/mountinfo', lines.join('\n'));
    }
    return {};
  };
  const error = await t.throwsAsync(runPlan(planFor(...v4), contextOf(host)), { instanceOf: MounterError });
  t.is(error.errorClass, 'mount-point');
  t.true(error.message.includes(stray), error.message);
  t.false(host.mounts.has(stray));
  t.deepEqual(host.commands.slice(1), [['/usr/bin/umount', '--no-canonicalize', stray]]);
});

test('a directory on the way that was exchanged while the helper ran is no success', async (t) => {
  const host = preparedNode();
  host.onRun = ({ argv }) => {
    if (argv.includes('/sbin/mount.nfs')) {
      host.directory('/var/lib/kubelet/pods/uid').mount(target);
    }
    return {};
  };
  const error = await t.throwsAsync(runPlan(planFor(...v4), contextOf(host)), { instanceOf: MounterError });
  t.is(error.status, 32);
});

test('a directory that others than root can write in is refused, and nothing is run', async (t) => {
  for (const path of ['/var/lib/kubelet', '/var/lib/kubelet/pods', '/var/lib/kubelet/pods/uid/volumes']) {
    const host = preparedNode();
    host.writable.add(path);
    const error = await t.throwsAsync(runPlan(planFor(...v4), contextOf(host)), { instanceOf: MounterError });
    t.regex(error.message, /others than root can write in/);
    t.deepEqual(host.commands, []);
  }
});

for (const [path, expected] of [
  ['pods/u/volumes/kubernetes.io~nfs/v', false],
  ['pods/u/volumes/kubernetes.io~csi/v/mount', false],
  ['pods/u/volumes/kubernetes.io~empty-dir/v/mount', true],
  ['pods/u/volumes/kubernetes.io~csi/v/mount/x', true],
  ['pods/u/volumes/kubernetes.io~nfs/v/x', true],
  ['pods/u/volume-subpaths/v/c/0', true],
  ['plugins/kubernetes.io/glusterfs/v', false],
  ['test', false],
] as const) {
  test(`${path} lies within a volume: ${expected}`, (t) => t.is(isWithinVolume(path), expected));
}
