import test, { type ExecutionContext } from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { runPlan } from '../../../src/mount/run.ts';
import { type HostModel, ownMounts } from '../../fixtures/host-model.ts';
import { contextOf, layout, planFor, preparedNode, target } from '../../fixtures/node-model.ts';

const v4 = ['-t', 'nfs', '-o', 'vers=4', 'srv:/x', target];
const gluster = ['-t', 'glusterfs', 'srv:vol', target];
const rootfsTarget = `${layout.rootfs}${target}`;

const isHelper = (argv: readonly string[]) =>
  argv.includes('/sbin/mount.nfs') || argv.includes('/sbin/mount.glusterfs');

/** A helper whose mount propagates to the host, as on a prepared node. */
function helperMounts(
  host: HostModel,
  outcome: { status?: number; endedBy?: 'deadline' | 'interrupt' } = {},
) {
  host.onRun = ({ argv }) => {
    if (!isHelper(argv)) return {};
    host.mount(target);
    host.mount(rootfsTarget);
    return outcome;
  };
}

/** umount on the host side takes the peer's copy along. */
async function failure(t: ExecutionContext, host: HostModel, argv: readonly string[]): Promise<MounterError> {
  const error = await t.throwsAsync(runPlan(planFor(...argv), contextOf(host)), { instanceOf: MounterError });
  t.false(host.mounts.has(target), 'nothing may stay mounted on the host');
  t.false(host.mounts.has(rootfsTarget), 'nothing may stay mounted in the rootfs');
  return error as MounterError;
}

test('one process for a v4 mount: the helper in the chroot', async (t) => {
  const host = preparedNode();
  helperMounts(host);
  const result = await runPlan(planFor(...v4), contextOf(host));
  t.deepEqual(result, { wasMounted: false, helperOutput: '' });
  t.deepEqual(host.commands, [
    ['/usr/bin/chroot', layout.rootfs, '/sbin/mount.nfs', 'srv:/x', target, '-o', 'vers=4'],
  ]);
});

test('a helper that fails: its status and its words', async (t) => {
  const host = preparedNode();
  host.onRun = () => ({ status: 32, output: 'mount.nfs: access denied\n' });
  const error = await failure(t, host, v4);
  t.is(error.status, 32);
  t.is(error.helperOutput, 'mount.nfs: access denied\n');
});

test('a helper ended at its deadline after it had mounted: undone', async (t) => {
  const host = preparedNode();
  helperMounts(host, { status: 143, endedBy: 'deadline' });
  const error = await failure(t, host, v4);
  t.is(error.status, 32);
  t.regex(error.message, /within 110 s/);
});

test('an interrupt is mount(8) status 8, and undone', async (t) => {
  const host = preparedNode();
  helperMounts(host, { status: 143, endedBy: 'interrupt' });
  t.is((await failure(t, host, v4)).status, 8);
});

test('success without a mount is a failure', async (t) => {
  const error = await failure(t, preparedNode(), v4);
  t.is(error.status, 32);
  t.regex(error.message, /is not mounted/);
});

test('a mount that stays inside the rootfs is undone, and the propagation named', async (t) => {
  const host = preparedNode();
  host.onRun = ({ argv }) => {
    if (isHelper(argv)) host.mount(rootfsTarget);
    return {};
  };
  const error = await failure(t, host, v4);
  t.is(error.status, 2);
  t.regex(error.message, /did not appear on the host/);
  t.is(error.errorClass, 'propagation');
  t.regex(error.hint ?? '', /mounter prepare/);
});

function alreadyMounted(fstype: string, source: string): HostModel {
  const host = preparedNode();
  const id = host.mount(target);
  host.texts.set('/proc/self/mountinfo', `${id} 1 0:50 / ${target} rw shared:1 - ${fstype} ${source} rw\n`);
  return host;
}

test('the same source on the target already: success, and nothing is run', async (t) => {
  for (const [fstype, source, argv] of [
    ['nfs4', 'srv:/x', v4],
    ['nfs', 'srv:/x/', v4],
    ['nfs4', 'srv://x', v4],
    ['fuse.glusterfs', 'srv:vol', gluster],
    ['fuse.glusterfs', 'srv:/vol', gluster],
  ] as const) {
    const host = alreadyMounted(fstype, source);
    t.true((await runPlan(planFor(...argv), contextOf(host))).wasMounted, source);
    t.deepEqual(host.commands, []);
  }
});

test('another source on the target already: an error that names it, and it stays', async (t) => {
  for (const [fstype, source] of [
    ['nfs4', 'srv:/other'],
    ['nfs4', 'other:/x'],
    ['tmpfs', 'srv:/x'],
  ] as const) {
    const host = alreadyMounted(fstype, source);
    const error = await t.throwsAsync(runPlan(planFor(...v4), contextOf(host)), { instanceOf: MounterError });
    t.true(error.message.includes(`${source} (${fstype})`), error.message);
    t.is((error as MounterError).errorClass, 'busy');
    t.is(error.status, 32);
    t.true(host.mounts.has(target));
    t.deepEqual(host.commands, []);
  }
});

test('remount needs a mount, and keeps it', async (t) => {
  const argv = ['-t', 'nfs', '-o', 'remount,ro', 'srv:/x', target];
  const host = alreadyMounted('nfs4', 'srv:/x');
  await runPlan(planFor(...argv), contextOf(host));
  t.is(host.commands.length, 1);
  const error = await t.throwsAsync(runPlan(planFor(...argv), contextOf(preparedNode())), {
    instanceOf: MounterError,
  });
  t.is(error.status, 1);
});

test('a symlink on the way is refused (CVE-2017-1002101)', async (t) => {
  const host = preparedNode();
  host.file('/var/lib/kubelet/pods/uid', { kind: 'symlink' });
  const error = await failure(t, host, v4);
  t.regex(error.message, /\/var\/lib\/kubelet\/pods\/uid is a symlink/);
  t.is(error.errorClass, 'mount-point');
  t.is(error.status, 1);
  t.deepEqual(host.commands, []);
});

const badTargets = [
  ['a symlink', { kind: 'symlink' }, /is a symlink/, 1],
  ['a file', { kind: 'file' }, /is not a directory/, 1],
  ['another directory than the rootfs has', { kind: 'directory' }, /not prepared/, 2],
] as const;

for (const [title, status, message, exit] of badTargets) {
  test(`refused, nothing run: the target is ${title}`, async (t) => {
    const host = preparedNode();
    host.file(target, status);
    const error = await failure(t, host, v4);
    t.regex(error.message, message);
    t.is(error.status, exit);
    t.deepEqual(host.commands, []);
  });
}

test('refused, nothing run: no target, no rootfs, no helper, a helper without x, no device', async (t) => {
  const cases: readonly (readonly [(host: HostModel) => void, readonly string[], RegExp, number])[] = [
    [(h) => h.files.delete(target), v4, /does not exist/, 1],
    [(h) => h.files.delete(layout.rootfs), v4, /no rootfs is installed/, 2],
    [(h) => h.files.delete(`${layout.rootfs}/sbin/mount.nfs`), v4, /missing in the rootfs/, 2],
    [(h) => h.file(`${layout.rootfs}/sbin/mount.nfs`), v4, /not an executable/, 2],
    [(h) => h.files.delete(`${layout.rootfs}/dev/fuse`), gluster, /not in the rootfs/, 2],
    [
      (h) => h.files.delete(`${layout.rootfs}/dev/fuse`) && h.files.delete('/dev/fuse'),
      gluster,
      /missing on this node/,
      2,
    ],
  ];
  for (const [change, argv, message, status] of cases) {
    const host = preparedNode();
    change(host);
    const error = await failure(t, host, argv);
    t.regex(error.message, message);
    t.is(error.status, status);
    t.deepEqual(host.commands, []);
  }
});

test('v3: lock services that answer are left alone', async (t) => {
  const host = preparedNode();
  helperMounts(host);
  await runPlan(planFor('-t', 'nfs', '-o', 'vers=3', 'srv:/x', target), contextOf(host));
  t.deepEqual(
    host.commands.map((argv) => argv[2]),
    ['rpcinfo', '/sbin/mount.nfs'],
  );
});

test('v3: lock services that do not answer are started, then asked again', async (t) => {
  const host = preparedNode();
  helperMounts(host);
  const helper = host.onRun;
  let isRunning = false;
  host.onRun = (command) => {
    if (command.argv[0] === '/usr/sbin/start-statd') isRunning = true;
    return command.argv[0] === 'rpcinfo' ? { status: isRunning ? 0 : 1 } : helper(command);
  };
  await runPlan(planFor('-t', 'nfs', '-o', 'vers=3', 'srv:/x', target), contextOf(host));
  t.deepEqual(
    host.commands.map((argv) => argv[2]),
    ['rpcinfo', '/usr/sbin/start-statd', 'rpcinfo', '/sbin/mount.nfs'],
  );
});

test('v3: refused when the lock services never answer, for flock would hang', async (t) => {
  const host = preparedNode();
  host.onRun = ({ argv }) =>
    argv[0] === 'rpcinfo' ? { status: 1 } : { output: 'start-statd: rpcbind does not answer\n' };
  const error = await failure(t, host, ['-t', 'nfs', '-o', 'vers=3', 'srv:/x', target]);
  t.is(error.status, 32);
  t.is(error.subject, target);
  t.regex(error.message, /locks would hang/);
  t.is(error.errorClass, 'lock-service');
  t.regex(error.helperOutput, /rpcbind does not answer/);
});

/** Device 0:45 is listed as v3 or v4, and rpcbind has been running. */
function negotiated(version: string): HostModel {
  const host = preparedNode();
  host.file(`${layout.rootfs}/run/rpcbind.sock`, { kind: 'other' });
  host.texts.set(
    '/proc/fs/nfsfs/volumes',
    `NV SERVER   PORT DEV          FSID FSC\n${version} 0a090001  801 0:45 5f3c:0 no\n`,
  );
  host.onRun = ({ argv }) => {
    if (!isHelper(argv)) return { status: 1 };
    host.mount(target);
    host.mount(rootfsTarget);
    host.file(target, { kind: 'directory', device: 45 });
    return {};
  };
  return host;
}

test('negotiated down to v3 with lock services that never answer: undone and refused', async (t) => {
  const error = await failure(t, negotiated('v3'), ['-t', 'nfs', 'srv:/x', target]);
  t.regex(error.message, /locks would hang/);
});

test('negotiated to v4: lock services are nobody’s concern', async (t) => {
  const host = negotiated('v4');
  await runPlan(planFor('-t', 'nfs', 'srv:/x', target), contextOf(host));
  t.is(host.commands.length, 1);
});

test('a glusterfs mount that failed leaves neither its daemon nor its mount', async (t) => {
  const host = preparedNode();
  host.onRun = ({ argv }) => {
    if (!isHelper(argv)) return {};
    host.mount(target);
    host.mount(rootfsTarget);
    host.processList = [
      { pid: 7, target, root: layout.rootfs },
      { pid: 8, target: `${target}2`, root: layout.rootfs },
      { pid: 9, target, root: '/' },
    ].map(({ pid, target, root }) => {
      host.texts.set(`/proc/${pid}/cmdline`, `/usr/sbin/glusterfs\0--volfile-id=vol\0${target}\0`);
      return { pid, name: 'glusterfs', root, mountNamespace: ownMounts, isInOurNetwork: true };
    });
    return { status: 143, endedBy: 'deadline' };
  };
  await failure(t, host, gluster);
  t.deepEqual(host.killed, [7], 'its own daemon by its pid: no other volume’s, and not the host’s own');
});

test('glusterfs is mounted under a lock on the directory, which the daemon does not inherit', async (t) => {
  const host = preparedNode();
  const argv = planFor(...gluster).steps.find((step) => step.kind === 'runHelper')?.argv ?? [];
  host.onRun = () => {
    host.texts.set(
      '/proc/self/mountinfo',
      `${host.mount(target)} 1 0:50 / ${target} rw - fuse.glusterfs srv:vol rw\n`,
    );
    return {};
  };
  await runPlan(planFor(...gluster), contextOf(host));
  const parent = target.slice(0, target.lastIndexOf('/'));
  t.deepEqual(host.commands, [
    ['/usr/bin/flock', '-o', '-w', '110', parent, '/usr/bin/chroot', layout.rootfs, ...argv],
  ]);
});

test('glusterfs that another call has mounted meanwhile is success', async (t) => {
  const host = preparedNode();
  host.onRun = () => {
    host.texts.set(
      '/proc/self/mountinfo',
      `${host.mount(target)} 1 0:50 / ${target} rw - fuse.glusterfs srv:/vol rw\n`,
    );
    return { status: 32, output: 'according to mtab, GlusterFS is already mounted\n' };
  };
  t.is((await runPlan(planFor(...gluster), contextOf(host))).helperOutput, '');
  t.true(host.mounts.has(target));
});

test('a helper that waits for a server that refuses: ended, undone, and explained', async (t) => {
  const host = preparedNode();
  helperMounts(host, { status: 143 });
  host.durationOf = ({ argv }) => (isHelper(argv) ? 130_000 : 0);
  host.onConnect = () => ['refused', 1];
  const error = await failure(t, host, ['-t', 'nfs', '-o', 'vers=4', '10.0.0.5:/x', target]);
  t.is(error.errorClass, 'connection-refused');
  t.regex(error.message, /^10\.0\.0\.5:\/x can not be mounted: .* refuses connections to TCP port 2049$/);
  t.true(host.now() < 2000, `${host.now()} ms`);
});

test('a helper that waits for a server that answers goes on to its deadline', async (t) => {
  const host = preparedNode();
  helperMounts(host);
  host.durationOf = ({ argv }) => (isHelper(argv) ? 130_000 : 0);
  const error = await failure(t, host, ['-t', 'nfs', '-o', 'vers=4', '10.0.0.5:/x', target]);
  t.is(error.errorClass, 'deadline');
  t.is(host.now(), 110_000);
  t.deepEqual(host.connections, ['10.0.0.5:2049']);
});

test('a helper that takes its time and mounts: asked after once, and no more', async (t) => {
  const host = preparedNode();
  helperMounts(host);
  host.durationOf = ({ argv }) => (isHelper(argv) ? 30_000 : 0);
  const argv = ['-t', 'nfs', '-o', 'vers=4', '10.0.0.5:/x', target];
  t.false((await runPlan(planFor(...argv), contextOf(host))).wasMounted);
  t.is(host.connections.length, 1);
});
