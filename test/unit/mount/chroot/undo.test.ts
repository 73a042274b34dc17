import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import { runPlan } from '../../../../src/mount/run.ts';
import type { HostModel } from '../../../fixtures/host-model.ts';
import { contextOf, isHelper, layout, planFor, preparedNode, target } from '../../../fixtures/node-model.ts';

/** Where a helper mounts on the target itself: what came elsewhere, or is not to stay. */

const v4 = ['-t', 'nfs', '-o', 'vers=4', 'srv:/x', target];
const gluster = ['-t', 'glusterfs', 'srv:vol', target];

const fails = (host: HostModel, argv = v4) => runPlan(planFor(...argv), contextOf(host));

for (const stray of [`${layout.versions}/abc/etc`, `${layout.rootfs}/etc`]) {
  test(`a helper that mounted on ${stray}: found, undone and said`, async (t) => {
    const host = preparedNode();
    const others = [
      '/mnt/admins',
      '/var/lib/kubelet/pods/other/volumes/v',
      `${layout.versions}/abc/var/lib/kubelet/x`,
    ];
    host.onRun = ({ argv }) => {
      if (!isHelper(argv)) return {};
      for (const path of [stray, ...others]) host.mountOnHost(path, { source: 'srv:/x', fstype: 'nfs4' });
      return {};
    };
    const error = await t.throwsAsync(fails(host), { instanceOf: MounterError });
    t.is(error.errorClass, 'mount-point');
    t.true(error.message.includes(stray), error.message);
    t.deepEqual(host.detached, [stray]);
    t.true(others.every((path) => host.mounts.has(path)));
  });
}

test('a directory on the way that was exchanged while the helper ran is no success', async (t) => {
  const host = preparedNode();
  host.onRun = ({ argv }) => {
    if (isHelper(argv)) host.directory('/var/lib/kubelet/pods/uid').mount(target);
    return {};
  };
  const error = await t.throwsAsync(fails(host), { instanceOf: MounterError });
  t.is(error.status, 32);
});

test('of several layers that a failing helper has mounted none stays', async (t) => {
  const host = preparedNode();
  host.onRun = (command) => {
    for (let layer = 0; layer < 3; layer += 1) host.mountBy(command, { source: 'srv:/x', fstype: 'nfs4' });
    return { status: 32 };
  };
  await t.throwsAsync(fails(host));
  t.false(host.mounts.has(target));
  t.false(host.mounts.has(layout.rootfs + target));
});

test('what was mounted there before the call stays, whatever comes of the call', async (t) => {
  const host = preparedNode();
  const parent = target.slice(0, target.lastIndexOf('/'));
  const disk = host.mountOnHost(parent, { source: '/dev/sdb', fstype: 'ext4' });
  host.onRun = () => ({ status: 32 });
  await t.throwsAsync(fails(host));
  t.deepEqual(host.mounts.get(parent), [disk]);
  t.deepEqual(host.detached, []);
});

test('glusterfs: a mount of something else on the target is no success, and does not stay', async (t) => {
  const host = preparedNode();
  host.onRun = (command) => {
    host.mountBy(command, { source: 'srv:other', fstype: 'fuse.glusterfs' });
    return {};
  };
  await t.throwsAsync(fails(host, gluster), { instanceOf: MounterError });
  t.false(host.mounts.has(target));
  t.is(host.orders.at(-1), 'end');
});
