import test from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { runPlan } from '../../../src/mount/run.ts';
import type { HostModel } from '../../fixtures/host-model.ts';
import {
  contextOf,
  layout,
  namespaceFile,
  nodeWithNamespace,
  planFor,
  target,
} from '../../fixtures/node-model.ts';

/** A rootfs with a mount namespace of its own: what of its mounts the host does not see. */

const v4 = ['-t', 'nfs', '-o', 'vers=4', 'srv:/x', target];
const gluster = ['-t', 'glusterfs', 'srv:vol', target];
const enter = ['/usr/bin/nsenter', `--mount=${namespaceFile}`, '--'];

const isHelper = (argv: readonly string[]) => argv[0]?.startsWith('/sbin/mount.') === true;

test('one process for a v4 mount: the helper in the namespace, and no look into that', async (t) => {
  const { host, inside } = nodeWithNamespace();
  host.namespaces.clear();
  host.onRun = () => {
    host.mount(target);
    inside.mount(target);
    return {};
  };
  const result = await runPlan(planFor(...v4), contextOf(host));
  t.deepEqual(result, { wasMounted: false, helperOutput: '' });
  t.deepEqual(host.commands, [[...enter, '/sbin/mount.nfs', 'srv:/x', target, '-o', 'vers=4']]);
});

test('a device of the host is in the rootfs as well', async (t) => {
  const { host } = nodeWithNamespace();
  host.files.delete('/dev/fuse');
  const error = await t.throwsAsync(runPlan(planFor(...gluster), contextOf(host)));
  t.regex(error?.message ?? '', /missing on this node/);
  t.deepEqual(host.commands, []);
});

for (const [what, spoil] of [
  ['a link that leads to nothing', (host) => host.files.delete(namespaceFile)],
  ['a pin of before the reboot, which is a plain file', (host) => host.file(namespaceFile, { device: 1 })],
] satisfies readonly (readonly [string, (host: HostModel) => unknown])[]) {
  test(`${what}: the node is not prepared, and nothing is run`, async (t) => {
    const { host } = nodeWithNamespace();
    spoil(host);
    const error = await t.throwsAsync(runPlan(planFor(...v4), contextOf(host)), { instanceOf: MounterError });
    t.is(error.status, 2);
    t.is(error.hint, 'run mounter prepare');
    t.deepEqual(host.commands, []);
  });
}

test('a mount that stays in the namespace is undone there, and the propagation named', async (t) => {
  const { host, inside } = nodeWithNamespace();
  host.onRun = ({ argv }) => {
    if (isHelper(argv)) inside.mount(target);
    return {};
  };
  const error = await t.throwsAsync(runPlan(planFor(...v4), contextOf(host)), { instanceOf: MounterError });
  t.is(error.errorClass, 'propagation');
  t.false(inside.mounts.has(target));
  t.deepEqual(host.commands.slice(1), [[...enter, 'umount', '-i', '--no-canonicalize', target]]);
});

test('a helper that mounted on /etc of the rootfs: found, undone and said', async (t) => {
  const { host, inside } = nodeWithNamespace();
  host.onRun = ({ argv }) => {
    if (!isHelper(argv)) return {};
    inside.mount('/etc');
    const lines = ['/etc', `${target}2`].map(
      (path, id) => `${id + 200} 1 0:50 / ${path} rw - nfs4 srv:/x rw`,
    );
    inside.texts.set('/proc/self/mountinfo', lines.join('\n'));
    return {};
  };
  const error = await t.throwsAsync(runPlan(planFor(...v4), contextOf(host)), { instanceOf: MounterError });
  t.is(error.errorClass, 'mount-point');
  t.regex(error.message, /it came to \/etc, /);
  t.false(inside.mounts.has('/etc'));
});

test('a namespace that has lost the kubelet directory: that is said, and not what the helper said', async (t) => {
  const { host, inside } = nodeWithNamespace();
  inside.directory('/var/lib/kubelet/pods/uid/volumes');
  host.onRun = () => ({ status: 32, output: `mount.nfs: mount point ${target} does not exist\n` });
  const error = await t.throwsAsync(runPlan(planFor(...v4), contextOf(host)), { instanceOf: MounterError });
  t.is(error.errorClass, 'node');
  t.is(error.status, 2);
  t.regex(error.message, /does not see/);
  t.is(error.hint, 'run mounter prepare');
});

test('negotiated down to v3: the socket of rpcbind is looked for in the host’s /run', async (t) => {
  const { host, inside } = nodeWithNamespace();
  host.file('/run/rpcbind.sock', { kind: 'other' });
  host.texts.set(
    '/proc/fs/nfsfs/volumes',
    'NV SERVER   PORT DEV          FSID FSC\nv3 0a090001  801 0:45 5f3c:0 no\n',
  );
  host.onRun = ({ argv }) => {
    if (!isHelper(argv)) return {};
    host.mount(target);
    inside.mount(target);
    host.file(target, { kind: 'directory', device: 45 });
    return {};
  };
  await runPlan(planFor('-t', 'nfs', 'srv:/x', target), contextOf(host));
  t.deepEqual(host.commands.slice(1), [[...enter, 'rpcinfo', '-u', '127.0.0.1', 'status', '1']]);
});

test('a daemon of the rootfs is known by the directory that is mounted there as its root', async (t) => {
  const { host } = nodeWithNamespace();
  host.onRun = ({ argv }) => {
    if (!isHelper(argv)) return {};
    host.texts.set('/proc/self/mountinfo', '1 0 8:1 / / rw - ext4 /dev/sda rw\n');
    host.processList = [7, 8].map((pid) => {
      const root = pid === 7 ? layout.rootfs : '/';
      host.texts.set(`/proc/${pid}/mountinfo`, `2 1 8:1 ${root} / rw - ext4 /dev/sda rw\n`);
      host.texts.set(`/proc/${pid}/cmdline`, `/usr/sbin/glusterfs\0--process-name\0fuse\0${target}\0`);
      return { pid, name: 'glusterfs', root: '/', mountNamespace: `mnt:[${pid}]`, isInOurNetwork: true };
    });
    return { status: 1 };
  };
  await t.throwsAsync(runPlan(planFor(...gluster), contextOf(host)));
  t.deepEqual(host.killed, [7]);
});
