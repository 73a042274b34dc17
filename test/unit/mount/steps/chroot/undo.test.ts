import test from 'ava';
import { MounterError } from '../../../../../src/errors.ts';
import { runPlan } from '../../../../../src/mount/run.ts';
import type { HostModel } from '../../../../support/model/host-model.ts';
import {
  contextOf,
  isHelper,
  layout,
  planFor,
  preparedNode,
  refusing,
  target,
} from '../../../../support/model/node-model.ts';

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

/** A node whose helper mounts and is refused. */
function refusedNode(): HostModel {
  const host = preparedNode();
  host.onRun = (command) => {
    if (!isHelper(command.argv)) return { status: 1 };
    host.mountBy(command, { source: 'srv:/x', fstype: 'nfs4' });
    return { status: 32, output: 'mount.nfs: access denied by server while mounting srv:/x\n' };
  };
  return host;
}

test('a helper that fails is undone once', async (t) => {
  const host = refusedNode();
  const { detachFrom } = host;
  const found: boolean[] = [];
  host.detachFrom = (file) => {
    const wasThere = detachFrom(file);
    found.push(wasThere);
    return wasThere;
  };
  await t.throwsAsync(fails(host));
  t.deepEqual(found, [true, false, true], 'on the host until nothing is there, and in the rootfs');
});

test('an umount2(2) that is refused hides no reason: it is tried again, and else what is left is said after it', async (t) => {
  const reason = '/sbin/mount.nfs failed to mount srv:/x';
  for (const [refusals, message] of [
    [2, reason],
    [
      1000,
      `${reason}; what the helper has mounted is still on it, for umount2 fails with EBUSY: umount -l ${target}`,
    ],
  ] as const) {
    const host = refusing(refusedNode(), refusals);
    const error = await t.throwsAsync(fails(host), { instanceOf: MounterError });
    t.like(error, { message, status: 32, errorClass: 'access-denied', subject: target });
    t.regex(error.hint ?? '', /showmount -e srv/);
    t.regex(error.helperOutput, /access denied/);
    t.is(host.mounts.has(target), refusals > 2);
  }
});

test('what went elsewhere and cannot be unmounted is named', async (t) => {
  const host = preparedNode();
  const stray = `${layout.rootfs}/etc`;
  host.onRun = ({ argv }) => {
    if (isHelper(argv)) host.mountOnHost(stray, { source: 'srv:/x', fstype: 'nfs4' });
    return {};
  };
  host.detach = () => {
    throw Object.assign(new Error('EBUSY: device or resource busy, umount2'), {
      code: 'EBUSY',
      syscall: 'umount2',
    });
  };
  const error = await t.throwsAsync(fails(host), { instanceOf: MounterError });
  t.is(error.errorClass, 'mount-point');
  t.regex(
    error.message,
    new RegExp(`it came to ${stray}, and is still there, for umount2 fails with EBUSY: umount -l ${stray}$`),
  );
});
