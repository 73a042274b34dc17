import test, { type ExecutionContext } from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { runPlan } from '../../../src/mount/run.ts';
import type { HostModel, ModelMount } from '../../support/model/host-model.ts';
import {
  attachNode,
  contextOf,
  isHelper,
  layout,
  nodes,
  pins,
  planFor,
  preparedNode,
  programOf,
  target,
} from '../../support/model/node-model.ts';

/** The way of a mount, from its plan to what is left of it, whichever way the rootfs is entered. */

const v4 = ['-t', 'nfs', '-o', 'vers=4', 'srv:/x', target];
const v3 = ['-t', 'nfs', '-o', 'vers=3', 'srv:/x', target];
const gluster = ['-t', 'glusterfs', 'srv:vol', target];
const rootfsTarget = `${layout.rootfs}${target}`;

const nfsMount: ModelMount = { source: 'srv:/x', fstype: 'nfs4' };
const glusterMount: ModelMount = { source: 'srv:vol', fstype: 'fuse.glusterfs' };

/** A helper that mounts, whatever else comes of it. */
function helperMounts(
  host: HostModel,
  mount = nfsMount,
  outcome: { status?: number; endedBy?: 'deadline' | 'interrupt' } = {},
) {
  host.onRun = (command) => {
    if (!isHelper(command.argv)) return {};
    host.mountBy(command, mount);
    return outcome;
  };
}

async function failure(t: ExecutionContext, host: HostModel, argv: readonly string[]): Promise<MounterError> {
  const error = await t.throwsAsync(runPlan(planFor(...argv), contextOf(host)), { instanceOf: MounterError });
  t.false(host.mounts.has(target), 'nothing may stay mounted on the host');
  t.false(host.mounts.has(rootfsTarget), 'nothing may stay mounted in the rootfs');
  if (host.helpers.some(({ leavesDaemon }) => leavesDaemon)) t.is(host.orders.at(-1), 'end');
  t.deepEqual(
    host.openPaths.filter((path) => path !== target),
    [],
    'nothing but the target may stay open',
  );
  return error as MounterError;
}

const programs = (host: HostModel) => host.commands.map(programOf);

test('attach: one process for a v4 mount, the helper in a namespace of its own', async (t) => {
  const host = attachNode();
  helperMounts(host);
  const result = await runPlan(planFor(...v4), contextOf(host));
  t.deepEqual(result, { wasMounted: false, helperOutput: '' });
  t.deepEqual(host.commands, [['apart', '/sbin/mount.nfs', 'srv:/x', target, '-o', 'vers=4']]);
  t.is(host.mounts.get(target)?.length, 1);
  t.deepEqual(host.openPaths, [target]);
  t.is(host.apartRequests[0]?.pin, `${pins}/helpers`);
});

test('chroot: one process for a v4 mount, the helper in the chroot', async (t) => {
  const host = preparedNode();
  helperMounts(host);
  const result = await runPlan(planFor(...v4), contextOf(host));
  t.deepEqual(result, { wasMounted: false, helperOutput: '' });
  t.deepEqual(host.commands, [
    ['/usr/bin/chroot', layout.rootfs, '/sbin/mount.nfs', 'srv:/x', target, '-o', 'vers=4'],
  ]);
  t.deepEqual(host.apartRequests, []);
});

test('chroot: a mount that stays inside the rootfs is undone, and the propagation named', async (t) => {
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

test('chroot: refused, nothing run: another directory than the rootfs has', async (t) => {
  const host = preparedNode().directory(target);
  const error = await failure(t, host, v4);
  t.regex(error.message, /not prepared/);
  t.is(error.status, 2);
  t.deepEqual(host.commands, []);
});

test('chroot: refused, nothing run: a device that the rootfs lacks', async (t) => {
  const host = preparedNode();
  host.files.delete(`${layout.rootfs}/dev/fuse`);
  const error = await failure(t, host, gluster);
  t.regex(error.message, /not in the rootfs/);
  t.is(error.status, 2);
  t.deepEqual(host.commands, []);
});

const badTargets = [
  ['a symlink', { kind: 'symlink' }, /is a symlink/],
  ['a file', { kind: 'file' }, /is not a directory/],
] as const;

for (const [way, node] of nodes) {
  test(`${way}: a helper that fails: its status and its words`, async (t) => {
    const host = node();
    host.onRun = () => ({ status: 32, output: 'mount.nfs: access denied\n' });
    const error = await failure(t, host, v4);
    t.is(error.status, 32);
    t.is(error.helperOutput, 'mount.nfs: access denied\n');
  });

  test(`${way}: what a helper that succeeds has said is handed on`, async (t) => {
    const host = node();
    helperMounts(host);
    const helper = host.onRun;
    host.onRun = (command) => ({ ...helper(command), output: 'mount.nfs: a warning\n' });
    t.is((await runPlan(planFor(...v4), contextOf(host))).helperOutput, 'mount.nfs: a warning\n');
  });

  test(`${way}: a helper ended at its deadline after it had mounted: undone`, async (t) => {
    const host = node();
    helperMounts(host, nfsMount, { status: 143, endedBy: 'deadline' });
    const error = await failure(t, host, v4);
    t.is(error.status, 32);
    t.regex(error.message, /within 110 s/);
  });

  test(`${way}: an interrupt is mount(8) status 8, and undone`, async (t) => {
    const host = node();
    helperMounts(host, nfsMount, { status: 143, endedBy: 'interrupt' });
    t.is((await failure(t, host, v4)).status, 8);
  });

  test(`${way}: success without a mount is a failure`, async (t) => {
    for (const argv of [v4, gluster]) {
      const error = await failure(t, node(), argv);
      t.is(error.status, 32);
      t.regex(error.message, /is not mounted/);
    }
  });

  test(`${way}: the same source on the target already: success, and nothing is run`, async (t) => {
    for (const [fstype, source, argv] of [
      ['nfs4', 'srv:/x', v4],
      ['nfs', 'srv:/x/', v4],
      ['nfs4', 'srv://x', v4],
      ['fuse.glusterfs', 'srv:vol', gluster],
      ['fuse.glusterfs', 'srv:/vol', gluster],
    ] as const) {
      const host = node();
      host.mountOnHost(target, { source, fstype });
      t.true((await runPlan(planFor(...argv), contextOf(host))).wasMounted, source);
      t.deepEqual(host.commands, []);
      t.deepEqual(host.openPaths, []);
    }
  });

  test(`${way}: another source on the target already: an error that names it, and it stays`, async (t) => {
    for (const [fstype, source] of [
      ['nfs4', 'srv:/other'],
      ['nfs4', 'other:/x'],
      ['tmpfs', 'srv:/x'],
    ] as const) {
      const host = node();
      host.mountOnHost(target, { source, fstype });
      const error = await t.throwsAsync(runPlan(planFor(...v4), contextOf(host)), {
        instanceOf: MounterError,
      });
      t.true(error.message.includes(`${source} (${fstype})`), error.message);
      t.is((error as MounterError).errorClass, 'busy');
      t.is(error.status, 32);
      t.is(host.mounts.get(target)?.length, 1);
      t.deepEqual(host.commands, []);
      t.deepEqual(host.openPaths, []);
    }
  });

  test(`${way}: a symlink on the way is refused (CVE-2017-1002101)`, async (t) => {
    const host = node();
    host.file('/var/lib/kubelet/pods/uid', { kind: 'symlink' });
    const error = await failure(t, host, v4);
    t.regex(error.message, /\/var\/lib\/kubelet\/pods\/uid is a symlink/);
    t.is(error.errorClass, 'mount-point');
    t.is(error.status, 1);
    t.deepEqual(host.commands, []);
  });

  for (const [title, status, message] of badTargets) {
    test(`${way}: refused, nothing run: the target is ${title}`, async (t) => {
      const host = node();
      host.file(target, status);
      const error = await failure(t, host, v4);
      t.regex(error.message, message);
      t.is(error.status, 1);
      t.deepEqual(host.commands, []);
    });
  }

  test(`${way}: refused, nothing run: no target, no rootfs, no helper, one without x, no device`, async (t) => {
    const cases: readonly (readonly [(host: HostModel) => void, readonly string[], RegExp, number])[] = [
      [(h) => h.files.delete(target), v4, /does not exist/, 1],
      [(h) => h.files.delete('/var/lib/kubelet/pods/uid'), v4, /pods\/uid does not exist/, 1],
      [(h) => h.files.delete(layout.rootfs), v4, /no rootfs is installed/, 2],
      [(h) => h.files.delete(`${layout.rootfs}/sbin/mount.nfs`), v4, /missing in the rootfs/, 2],
      [(h) => h.file(`${layout.rootfs}/sbin/mount.nfs`), v4, /not an executable/, 2],
      [(h) => h.files.delete('/dev/fuse'), gluster, /missing on this node/, 2],
    ];
    for (const [change, argv, message, status] of cases) {
      const host = node();
      change(host);
      const error = await failure(t, host, argv);
      t.regex(error.message, message);
      t.is(error.status, status);
      t.deepEqual(host.commands, []);
    }
  });

  test(`${way}: v3: lock services that answer are left alone`, async (t) => {
    const host = node();
    helperMounts(host);
    await runPlan(planFor(...v3), contextOf(host));
    t.deepEqual(programs(host), ['rpcinfo', '/sbin/mount.nfs']);
  });

  test(`${way}: v3: lock services that do not answer are started, then asked again`, async (t) => {
    const host = node();
    helperMounts(host);
    const helper = host.onRun;
    let isRunning = false;
    host.onRun = (command) => {
      if (command.argv[0] === '/usr/sbin/start-statd') isRunning = true;
      return command.argv[0] === 'rpcinfo' ? { status: isRunning ? 0 : 1 } : helper(command);
    };
    await runPlan(planFor(...v3), contextOf(host));
    t.deepEqual(programs(host), ['rpcinfo', '/usr/sbin/start-statd', 'rpcinfo', '/sbin/mount.nfs']);
  });

  test(`${way}: v3: refused when the lock services never answer, for flock would hang`, async (t) => {
    const host = node();
    host.onRun = ({ argv }) =>
      argv[0] === 'rpcinfo' ? { status: 1 } : { output: 'start-statd: rpcbind does not answer\n' };
    const error = await failure(t, host, v3);
    t.is(error.status, 32);
    t.is(error.subject, target);
    t.regex(error.message, /locks would hang/);
    t.is(error.errorClass, 'lock-service');
    t.regex(error.helperOutput, /rpcbind does not answer/);
    t.false(host.commands.some(isHelper));
  });

  test(`${way}: v3 on a node that is not prepared: that is said, and no lock service started`, async (t) => {
    const host = node();
    for (const seen of [`${pins}/helpers`, rootfsTarget]) host.files.delete(seen);
    const error = await failure(t, host, v3);
    t.is(error.status, 2);
    t.regex(error.message, /the node is not prepared/);
    t.is(error.hint, 'run mounter prepare');
    t.deepEqual(host.commands, []);
  });

  test(`${way}: negotiated down to v3 with lock services that never answer: undone and refused`, async (t) => {
    const host = negotiated(node(), '3');
    const error = await failure(t, host, ['-t', 'nfs', 'srv:/x', target]);
    t.regex(error.message, /locks would hang/);
    t.is(host.apartCount, way === 'attach' ? 1 : 0, 'apart it goes with the call');
  });

  test(`${way}: negotiated down to v3 with lock services that answer: asked, and mounted`, async (t) => {
    const host = negotiated(node(), '3');
    const helper = host.onRun;
    host.onRun = (command) => (command.argv[0] === 'rpcinfo' ? {} : helper(command));
    await runPlan(planFor('-t', 'nfs', 'srv:/x', target), contextOf(host));
    t.deepEqual(programs(host), ['/sbin/mount.nfs', 'rpcinfo']);
    t.is(host.mounts.get(target)?.length, 1);
  });

  test(`${way}: negotiated to v4: lock services are nobody’s concern`, async (t) => {
    const host = negotiated(node(), '4.2');
    await runPlan(planFor('-t', 'nfs', 'srv:/x', target), contextOf(host));
    t.is(host.commands.length, 1);
  });

  test(`${way}: a glusterfs mount leaves its daemons to themselves once it is on the target`, async (t) => {
    const host = node();
    helperMounts(host, glusterMount);
    host.daemons = [7, 8];
    host.directory('/run/systemd/system');
    for (const who of ['self', '7']) host.texts.set(`/proc/${who}/cgroup`, '0::/kubelet.service\n');
    await runPlan(planFor(...gluster), contextOf(host));
    t.deepEqual(host.orders, [way === 'attach' ? 'attach' : 'release']);
    t.true(host.mounts.has(target));
    t.deepEqual(programs(host), ['/sbin/mount.glusterfs', '/usr/bin/busctl']);
    t.true(host.commands[1]?.includes('containerized-mounter-glusterfs-7.scope'));
  });

  test(`${way}: a glusterfs mount that failed has its daemon ended`, async (t) => {
    const host = node();
    helperMounts(host, glusterMount, { status: 143, endedBy: 'deadline' });
    await failure(t, host, gluster);
    t.true(host.orders.every((order) => order === 'end'));
    t.deepEqual(host.killed, [], 'by who watches it, and never by a search');
  });

  test(`${way}: a helper that waits for a server that refuses: ended, undone, and explained`, async (t) => {
    const host = node();
    helperMounts(host, { ...nfsMount, source: '10.0.0.5:/x' }, { status: 143 });
    host.durationOf = ({ argv }) => (isHelper(argv) ? 130_000 : 0);
    host.onConnect = () => ['refused', 1];
    const error = await failure(t, host, ['-t', 'nfs', '-o', 'vers=4', '10.0.0.5:/x', target]);
    t.is(error.errorClass, 'connection-refused');
    t.regex(error.message, /^10\.0\.0\.5:\/x cannot be mounted: .* refuses connections to TCP port 2049$/);
    t.true(host.now() < 2000, `${host.now()} ms`);
  });

  test(`${way}: a server whose first family is silent: the helper runs once more, by the other`, async (t) => {
    const host = node();
    host.onRun = (command) => {
      const { argv } = command;
      if (argv.includes('getent')) return { output: 'fd00::5 STREAM srv\n10.0.0.5 STREAM\n' };
      if (!isHelper(argv) || !argv.includes('vers=4,proto=tcp')) return {};
      host.mountBy(command, nfsMount);
      return {};
    };
    host.durationOf = ({ argv }) => (isHelper(argv) && argv.includes('vers=4') ? 130_000 : 0);
    host.onConnect = (address) => (address === 'fd00::5' ? ['silent', 1e9] : ['open', 1]);
    const argv = ['-t', 'nfs', '-o', 'vers=4', 'srv:/x', target];
    t.false((await runPlan(planFor(...argv), contextOf(host))).wasMounted);
    t.is(host.commands.filter(isHelper).length, 2);
    t.true(host.now() < 7000, `${host.now()} ms`);
  });

  test(`${way}: a helper that waits for a server that answers goes on to its deadline`, async (t) => {
    const host = node();
    helperMounts(host, { ...nfsMount, source: '10.0.0.5:/x' });
    host.durationOf = ({ argv }) => (isHelper(argv) ? 130_000 : 0);
    const error = await failure(t, host, ['-t', 'nfs', '-o', 'vers=4', '10.0.0.5:/x', target]);
    t.is(error.errorClass, 'deadline');
    t.is(host.now(), 110_000);
    t.deepEqual(host.connections, ['10.0.0.5:2049']);
  });

  test(`${way}: a helper that takes its time and mounts: asked after once, and no more`, async (t) => {
    const host = node();
    helperMounts(host, { ...nfsMount, source: '10.0.0.5:/x' });
    host.durationOf = ({ argv }) => (isHelper(argv) ? 30_000 : 0);
    const argv = ['-t', 'nfs', '-o', 'vers=4', '10.0.0.5:/x', target];
    t.false((await runPlan(planFor(...argv), contextOf(host))).wasMounted);
    t.is(host.connections.length, 1);
  });

  test(`${way}: a fake mount has the helper check, and attaches nothing`, async (t) => {
    const host = node();
    await runPlan(planFor('-f', ...v4), contextOf(host));
    t.deepEqual(programs(host), ['/sbin/mount.nfs']);
    t.false(host.mounts.has(target));
    t.deepEqual(host.orders, []);
  });
}

/** mount.nfs settles for a version; rpcbind has been running, and does not answer. */
function negotiated(host: HostModel, version: string): HostModel {
  for (const place of ['', layout.rootfs]) host.file(`${place}/run/rpcbind.sock`, { kind: 'other' });
  host.texts.set(
    '/proc/fs/nfsfs/volumes',
    `NV SERVER   PORT DEV          FSID FSC\nv${version[0]} 0a090001  801 0:45 5f3c:0 no\n`,
  );
  host.onRun = (command) => {
    if (!isHelper(command.argv)) return { status: 1 };
    host.mountBy(command, {
      source: 'srv:/x',
      fstype: version === '3' ? 'nfs' : 'nfs4',
      device: '0:45',
      superOptions: `rw,vers=${version},rsize=1048576`,
    });
    if ('site' in command && command.site.kind === 'chroot')
      host.file(target, { kind: 'directory', device: 45 });
    return {};
  };
  return host;
}
