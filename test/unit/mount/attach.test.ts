import test, { type ExecutionContext } from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { environment } from '../../../src/host/programs.ts';
import type { MountStep } from '../../../src/mount/plan-data.ts';
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
  refusing,
  target,
} from '../../support/model/node-model.ts';

/** A mount that is made apart, and attached to its target in one call. */

const v4 = ['-t', 'nfs', '-o', 'vers=4', 'srv:/x', target];
const unversioned = ['-t', 'nfs', 'srv:/x', target];
const gluster = ['-t', 'glusterfs', 'srv:vol', target];

const nfsMount: ModelMount = { source: 'srv:/x', fstype: 'nfs4' };
const glusterMount: ModelMount = { source: 'srv:vol', fstype: 'fuse.glusterfs' };

/** A node whose helpers mount this. */
function nodeWhere(mount: ModelMount): HostModel {
  const host = attachNode();
  host.onRun = (command) => {
    if (isHelper(command.argv)) host.mountBy(command, mount);
    return {};
  };
  return host;
}

/** The error of a call that has left nothing. */
async function failure(t: ExecutionContext, host: HostModel, argv: readonly string[]): Promise<MounterError> {
  const error = await t.throwsAsync(runPlan(planFor(...argv), contextOf(host)), { instanceOf: MounterError });
  t.false(host.mounts.has(target), 'nothing may stay mounted on the host');
  if (host.helpers.some(({ leavesDaemon }) => leavesDaemon)) t.is(host.orders.at(-1), 'end');
  t.true(host.openPaths.every((path) => path === target));
  return error as MounterError;
}

for (const [what, argv, mount] of [
  ['NFS', v4, nfsMount],
  ['GlusterFS', gluster, glusterMount],
] as const) {
  test(`${what}: nothing is on the host before it is attached, which is the last step`, async (t) => {
    const host = nodeWhere(mount);
    const steps: MountStep['kind'][] = [];
    const report = ({ kind }: MountStep) => {
      steps.push(kind);
      t.false(host.mounts.has(target), kind);
      t.is(host.apartCount, steps.includes('runHelper') && kind !== 'runHelper' ? 1 : 0, kind);
    };
    await runPlan(planFor(...argv), { ...contextOf(host), report });
    t.is(steps.at(-1), 'attach');
    t.is(host.mounts.get(target)?.length, 1);
    t.is(host.apartCount, 0);
    t.deepEqual(host.detached, []);
  });
}

const failures: readonly (readonly [title: string, change: (host: HostModel) => void])[] = [
  [
    'no place to mount apart',
    (host) => {
      host.onMakeApart = () => {
        throw new MounterError('no place', { status: 2 });
      };
    },
  ],
  [
    'a helper that cannot be started',
    (host) => {
      host.runHelper = () => Promise.reject(new MounterError('could not be started', { status: 2 }));
    },
  ],
  [
    'a helper that mounts and fails',
    (host) => {
      const helper = host.onRun;
      host.onRun = (command) => ({ ...helper(command), status: 32 });
    },
  ],
  [
    'a helper that mounts and is ended at its deadline',
    (host) => {
      host.durationOf = ({ argv }) => (isHelper(argv) ? 1e9 : 0);
    },
  ],
  [
    'a helper that mounts nothing',
    (host) => {
      host.onRun = () => ({});
    },
  ],
  [
    'a table of mounts that cannot be read',
    (host) => {
      host.readMountTable = () => {
        throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE', syscall: 'open' });
      };
    },
  ],
  [
    'a mount that cannot be attached',
    (host) => {
      host.attachFailure = 'EPERM';
    },
  ],
];

for (const [title, change] of failures) {
  test(`${title}: nothing is left, and no daemon`, async (t) => {
    for (const [argv, mount] of [
      [v4, nfsMount],
      [gluster, glusterMount],
    ] as const) {
      const host = nodeWhere(mount);
      change(host);
      await t.throwsAsync(runPlan(planFor(...argv), contextOf(host)));
      t.false(host.mounts.has(target));
      t.deepEqual(host.detached, [], 'nothing has to be taken away from the host');
      t.deepEqual(host.openPaths, [target]);
      const hasRun = host.helpers.some(({ leavesDaemon }) => leavesDaemon);
      t.is(host.orders.at(-1), hasRun ? 'end' : undefined);
    }
  });
}

for (const [code, errorClass, message] of [
  ['ENOENT', 'mount-point', /^the target was removed while .* was mounted$/],
  ['ENOSPC', 'mount-max', /as many mounts as fs\.mount-max allows/],
  ['EPERM', 'node', /could not be attached to the target: EPERM$/],
  ['stopped', 'node', /mounter-guard, was stopped by a signal, and \S+ could not be attached$/],
] as const) {
  test(`attaching fails with ${code}: class ${errorClass}`, async (t) => {
    for (const [argv, mount] of [
      [v4, nfsMount],
      [gluster, glusterMount],
    ] as const) {
      const host = nodeWhere(mount);
      host.attachFailure = code;
      const error = await failure(t, host, argv);
      t.like(error, { errorClass, status: 32, subject: target });
      t.regex(error.message, message);
      t.truthy(error.hint);
    }
  });
}

for (const isAttached of [true, false]) {
  test(`a guardian that was killed, its mount ${isAttached ? 'on the target' : 'gone'}: as the target shows`, async (t) => {
    const host = nodeWhere(glusterMount);
    const { runHelper } = host;
    host.runHelper = async (command) => {
      const { guardian, ...run } = await runHelper(command);
      if (guardian === undefined) throw new Error('a daemon is watched over');
      const attach = async () => {
        if (isAttached) await guardian.attach(5000);
        return { failure: 'ECONNRESET', daemons: [] };
      };
      return { ...run, guardian: { ...guardian, attach } };
    };
    if (isAttached) await runPlan(planFor(...gluster), contextOf(host));
    else t.regex((await failure(t, host, gluster)).message, /could not be attached/);
    t.is(host.mounts.has(target), isAttached);
  });
}

test('a guardian is waited for until the deadline of the whole mount, and a moment at least', async (t) => {
  for (const [tookMs, expectedMs] of [
    [10_000, 100_000],
    [109_000, 5000],
  ] as const) {
    const host = nodeWhere(glusterMount);
    const { runHelper } = host;
    const limits: number[] = [];
    host.durationOf = ({ argv }) => (isHelper(argv) ? tookMs : 0);
    host.runHelper = async (command) => {
      const { guardian, ...run } = await runHelper(command);
      if (guardian === undefined) throw new Error('a daemon is watched over');
      const attach = (limitMs: number) => {
        limits.push(limitMs);
        return guardian.attach(limitMs);
      };
      return { ...run, guardian: { ...guardian, attach } };
    };
    await runPlan(planFor(...gluster), contextOf(host));
    t.deepEqual(limits, [expectedMs]);
  }
});

const disk = '/var/lib/kubelet/pods';

/** A node where a disk comes over the way while the helper runs, and umount2(2) is refused so often. */
function coveredNode(refusals: number): HostModel {
  const host = nodeWhere(nfsMount);
  const { onRun } = host;
  host.onRun = (command) => {
    host.mount(disk);
    // The model finds what is mounted by its path, which leads nowhere now.
    host.files.delete(`${disk}/uid`);
    return onRun(command);
  };
  return refusing(host, refusals);
}

test('what is hidden by a mount on the way is taken away, also by an umount2(2) that is refused twice', async (t) => {
  for (const refusals of [0, 2]) {
    const error = await failure(t, coveredNode(refusals), v4);
    t.like(error, { status: 32, errorClass: 'mount-point', subject: target });
    t.regex(
      error.message,
      /^something was mounted over .* while srv:\/x was mounted; it is unmounted again$/,
    );
  }
});

test('where it cannot be taken away, the failure says what is left, and beneath what', async (t) => {
  const host = coveredNode(1000);
  const error = await t.throwsAsync(runPlan(planFor(...v4), contextOf(host)), { instanceOf: MounterError });
  t.like(error, { status: 32, errorClass: 'mount-point', subject: target });
  t.is(
    error.message,
    `something was mounted over the directories on the way while srv:/x was mounted; it is still mounted, hidden beneath ${disk}, for umount2 fails with EBUSY: umount ${disk}, then umount ${target}`,
  );
});

for (const [title, asked, mount, hint] of [
  [
    'an export that is a symlink',
    ['-t', 'nfs', 'srv:/x', target],
    { source: 'srv:/secret', fstype: 'nfs4' },
    /srv:\/secret$/,
  ],
  [
    'one whose path ends alike behind a colon',
    ['-t', 'nfs', 'srv:/a:/x', target],
    { source: 'srv:/secret:/x', fstype: 'nfs4' },
    /srv:\/secret:\/x$/,
  ],
  ['another volume', gluster, { source: 'srv:other', fstype: 'fuse.glusterfs' }, /srv:other$/],
  ['another type', gluster, { source: 'srv:vol', fstype: 'fuse.other' }, /srv:vol$/],
] as const) {
  test(`${title} is not what was asked for: refused, and named`, async (t) => {
    const error = await failure(t, nodeWhere(mount), asked);
    t.like(error, { errorClass: 'policy', status: 32, subject: target });
    t.true(error.message.startsWith(`${mount.source} (${mount.fstype}) is what the server mounts for`));
    t.regex(error.hint ?? '', hint);
  });
}

test('the name by which the kernel knows the filesystem already is no other filesystem', async (t) => {
  for (const source of ['alias:/x', '[fd00::5]:/x', '/x', 'srv:/first']) {
    const host = nodeWhere({ source, fstype: 'nfs4', device: '0:61' });
    host.mountOnHost('/var/lib/kubelet/pods/other/volumes/v', { source, fstype: 'nfs4', device: '0:61' });
    await runPlan(planFor(...v4), contextOf(host));
    t.true(host.mounts.has(target), source);
  }
});

test('another name of the server, for the same path, is no other filesystem', async (t) => {
  for (const source of ['alias:/x', '[fd00::5]:/x', 'srv:/x/', 'srv://x']) {
    const host = nodeWhere({ source, fstype: 'nfs4' });
    await runPlan(planFor(...v4), contextOf(host));
    t.true(host.mounts.has(target), source);
  }
});

test('of what is mounted apart the topmost counts', async (t) => {
  const host = attachNode();
  host.onRun = (command) => {
    host.mountBy(command, nfsMount);
    host.mountBy(command, { source: 'srv:/secret', fstype: 'nfs4' });
    return {};
  };
  t.is((await failure(t, host, v4)).errorClass, 'policy');
});

test('a device of the host is in the rootfs as well', async (t) => {
  const host = attachNode();
  host.files.delete('/dev/fuse');
  const error = await failure(t, host, gluster);
  t.regex(error.message, /missing on this node/);
  t.deepEqual(host.commands, []);
});

for (const [what, spoil] of [
  ['a link that leads to nothing', (host) => host.files.delete(`${pins}/helpers`)],
  [
    'a pin of before the reboot, which is a plain file',
    (host) => host.file(`${pins}/helpers`, { device: 1 }),
  ],
] satisfies readonly (readonly [string, (host: HostModel) => unknown])[]) {
  test(`${what}: the node is not prepared, and nothing is run`, async (t) => {
    const host = attachNode();
    spoil(host);
    const error = await failure(t, host, v4);
    t.is(error.status, 2);
    t.is(error.hint, 'run mounter prepare');
    t.deepEqual(host.commands, []);
  });
}

test('a kubelet in a container of its own: the pin is found by the host’s process 1', async (t) => {
  const host = nodeWhere(nfsMount);
  for (const view of ['services', 'helpers']) {
    host.file(`${pins}/${view}`, { device: 1 });
    host.file(`/proc/1/root${pins}/${view}`, { device: 4 });
  }
  await runPlan(planFor(...v4), contextOf(host));
  t.is(host.apartRequests[0]?.pin, `/proc/1/root${pins}/helpers`);
});

// What a helper is run with.

test('a helper has what a mount takes, and no more; a daemon is no root', async (t) => {
  const [nfs, daemon] = [nodeWhere(nfsMount), nodeWhere(glusterMount)];
  await runPlan(planFor(...v4), contextOf(nfs));
  await runPlan(planFor(...gluster), contextOf(daemon));
  const capabilities = ['SYS_ADMIN', 'NET_BIND_SERVICE'];
  const user = daemon.helpers[0]?.privileges?.user ?? 0;
  t.deepEqual(daemon.helpers[0]?.privileges, { capabilities, user, group: user });
  // With a group that nobody has it may look into no process of root's.
  t.deepEqual(nfs.helpers[0]?.privileges, { capabilities, user: 0, group: user });
  t.true(user > 2 ** 31 - 2 ** 17 && user < 2 ** 31, `${user}`);
  t.is(daemon.apartRequests[0]?.user, user);
  for (const [host, leavesDaemon] of [
    [nfs, false],
    [daemon, true],
  ] as const)
    t.like(host.helpers[0], { leavesDaemon, environment, deadlineMs: 110_000 });
});

test('on the target’s own path, with chroot, a helper is root who goes through what is root’s, with no more than that', async (t) => {
  for (const [argv, mount] of [
    [v4, nfsMount],
    [gluster, glusterMount],
  ] as const) {
    const host = preparedNode();
    host.onRun = (command) => {
      host.mountBy(command, mount);
      return {};
    };
    await runPlan(planFor(...argv), contextOf(host));
    const { group } = planFor(...argv).privileges;
    const capabilities = ['SYS_ADMIN', 'NET_BIND_SERVICE'];
    t.deepEqual(host.helpers[0]?.privileges, { capabilities, user: 0, group });
  }
});

test('the place apart: below the directory of the target, with scratch for a daemon alone', async (t) => {
  for (const [argv, mount, scratch] of [
    [v4, nfsMount, []],
    [gluster, glusterMount, ['/run', '/tmp', '/var/log/glusterfs']],
  ] as const) {
    const host = nodeWhere(mount);
    await runPlan(planFor(...argv), contextOf(host));
    t.like(host.apartRequests[0], { directory: '/var/lib/kubelet', target, scratch });
  }
});

// The one file of the host.

const plugin = '/var/lib/kubelet/plugins/kubernetes.io/glusterfs/v';
const logged = (path: string, more = '') => [
  '-t',
  'glusterfs',
  '-o',
  `log-file=${path}${more}`,
  'srv:vol',
  target,
];

/** A node that has the directory in which kubelet's plugin wants its logs. */
function nodeOfPlugin(): HostModel {
  const host = nodeWhere(glusterMount);
  const parts = plugin.split('/');
  for (let length = 5; length <= parts.length; length += 1) host.directory(parts.slice(0, length).join('/'));
  return host;
}

for (const path of [`${plugin}/p-glusterfs.log`, '/var/lib/kubelet/volume.log']) {
  test(`the log that kubelet reads is attached as one file: ${path}`, async (t) => {
    const host = nodeOfPlugin();
    await runPlan(planFor(...logged(path)), contextOf(host));
    t.is(host.apartRequests[0]?.file?.path, path);
    t.is(host.owners.get(path), host.helpers[0]?.privileges?.user);
    t.deepEqual(host.openPaths, [target]);
  });
}

test('without log-file= it is the daemon’s own log on the host, under the name that the rootfs has for it', async (t) => {
  const name = `${target.slice(1).replaceAll('/', '-')}.log`;
  const onHost = '/var/log/containerized-mounter/glusterfs';
  const host = nodeWhere(glusterMount).directory(onHost);
  await runPlan(planFor(...gluster), contextOf(host));
  t.is(host.apartRequests[0]?.file?.path, `/var/log/glusterfs/${name}`);
  t.deepEqual([...host.owners.keys()], [`${onHost}/${name}`]);
  t.deepEqual(host.openPaths, [target]);
});

test('a node without that directory, with something else of that name, or a full disk mounts without a log', async (t) => {
  const onHost = '/var/log/containerized-mounter/glusterfs';
  const without = nodeWhere(glusterMount);
  const full = nodeWhere(glusterMount).directory(onHost);
  full.openPlainFile = () => {
    throw Object.assign(new Error('ENOSPC: no space left on device, openat'), {
      code: 'ENOSPC',
      errno: -28,
      syscall: 'openat',
    });
  };
  const withOther = nodeWhere(glusterMount).directory(onHost);
  withOther.file(`${onHost}/${target.slice(1).replaceAll('/', '-')}.log`, { kind: 'symlink' });
  for (const host of [without, withOther, full]) {
    await runPlan(planFor(...gluster), contextOf(host));
    t.is(host.apartRequests[0]?.file, undefined);
    t.deepEqual(host.openPaths, [target]);
  }
});

test('NFS has no log, and no file of the host', async (t) => {
  const host = nodeWhere(nfsMount).directory('/var/log/containerized-mounter/glusterfs');
  await runPlan(planFor(...v4), contextOf(host));
  t.is(host.apartRequests[0]?.file, undefined);
  t.is(host.owners.size, 0);
});

test('a second file of the host is refused, and so is one whose directory is missing', async (t) => {
  for (const [argv, message] of [
    [logged(`${plugin}/a.log`, `,log-file=${plugin}/b.log`), /one file of the host, and no more/],
    [logged('/var/lib/kubelet/plugins/none/a.log'), /the directory that it names does not exist/],
  ] as const) {
    const host = nodeOfPlugin();
    const error = await failure(t, host, argv);
    t.like(error, { errorClass: 'policy', status: 1, subject: 'log-file' });
    t.regex(error.message, message);
    t.deepEqual(host.commands, []);
  }
});

for (const [what, change] of [
  ['a symlink', (host) => host.file(`${plugin}/a.log`, { kind: 'symlink' })],
  ['a pipe', (host) => host.file(`${plugin}/a.log`, { kind: 'other' })],
  ['on a volume', (host) => host.mount(plugin)],
  ['where others can write', (host) => host.writable.add(plugin)],
] satisfies readonly (readonly [string, (host: HostModel) => unknown])[]) {
  test(`a file that a helper writes and that is ${what} is refused, and nothing is run`, async (t) => {
    const host = nodeOfPlugin();
    change(host);
    const error = await failure(t, host, logged(`${plugin}/a.log`));
    t.like(error, { errorClass: 'policy', status: 1, subject: 'log-file' });
    t.deepEqual(host.commands, []);
    t.deepEqual([...host.owners.keys()], []);
  });
}

test('one that has become something else between the look and the call is refused', async (t) => {
  const host = nodeOfPlugin();
  const report = ({ kind }: MountStep) => {
    if (kind === 'runHelper') host.file(`${plugin}/a.log`, { kind: 'symlink' });
  };
  const error = await t.throwsAsync(
    runPlan(planFor(...logged(`${plugin}/a.log`)), { ...contextOf(host), report }),
  );
  t.regex(error?.message ?? '', /no plain file/);
  t.deepEqual(host.commands, []);
});

// Lock services for a mount.nfs that has settled for v3.

const version3: ModelMount = { source: 'srv:/x', fstype: 'nfs', superOptions: 'rw,vers=3,hard' };

test('a helper that finds no rpc.statd has it started, once, however often it asks', async (t) => {
  const host = attachNode();
  host.noticeCount = 3;
  let isRunning = false;
  host.onRun = (command) => {
    if (command.argv[0] === '/usr/sbin/start-statd') isRunning = true;
    if (isHelper(command.argv)) host.mountBy(command, version3);
    return command.argv[0] === 'rpcinfo' && !isRunning ? { status: 1 } : {};
  };
  await runPlan(planFor(...unversioned), contextOf(host));
  const programs = host.commands.map(programOf);
  t.is(programs.filter((program) => program === '/usr/sbin/start-statd').length, 1);
  t.is(programs[0], '/sbin/mount.nfs');
  const start = host.commands.find((argv) => argv.includes('/usr/sbin/start-statd')) ?? [];
  t.is(start[1], `--mount=${pins}/services`, 'where daemons live, and not where mounts are made');
  t.true(host.mounts.has(target));
});

test('lock services that cannot be had end the helper, and are the reason', async (t) => {
  const host = attachNode();
  host.noticeCount = 1;
  host.onRun = ({ argv }) => (argv[0] === 'rpcinfo' ? { status: 1 } : { output: 'no rpcbind\n' });
  const error = await failure(t, host, unversioned);
  t.like(error, { errorClass: 'lock-service', status: 32, subject: target, helperOutput: 'no rpcbind\n' });
  t.true(host.helpers[0]?.signal?.aborted);
});

test('an interrupt while they are started is one', async (t) => {
  const host = attachNode();
  host.noticeCount = 1;
  host.onRun = ({ argv }) => (argv[0] === 'rpcinfo' ? { status: 143, endedBy: 'interrupt' } : {});
  t.is((await failure(t, host, unversioned)).status, 8);
});

test('only mount.nfs asks for them', async (t) => {
  const host = nodeWhere(glusterMount);
  await runPlan(planFor(...gluster), contextOf(host));
  t.is(host.helpers[0]?.onNotice, undefined);
});

test('the version that was settled for is read from the mount itself', async (t) => {
  for (const [superOptions, expected] of [
    ['rw,vers=3,rsize=1048576', ['/sbin/mount.nfs', 'rpcinfo']],
    ['rw,vers=4.2,mountvers=3', ['/sbin/mount.nfs']],
  ] as const) {
    const host = nodeWhere({ ...nfsMount, superOptions });
    host.texts.set('/proc/fs/nfsfs/volumes', 'v3 0a090001  801 0:50 5f3c:0 no\n');
    await runPlan(planFor(...unversioned), contextOf(host));
    t.deepEqual(host.commands.map(programOf), expected);
  }
});

test('what of the rootfs the host cannot see is not needed for a mount', async (t) => {
  for (const [way, node] of nodes)
    t.is(node().files.has(`${layout.rootfs}${target}`), way === 'chroot', 'the model is as prepare makes it');
});
