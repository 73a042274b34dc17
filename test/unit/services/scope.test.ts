import test from 'ava';
import { moveToScopes } from '../../../src/services/scope.ts';
import { HostModel } from '../../support/model/host-model.ts';

const daemons = () => [
  { role: 'rpcbind', pid: 7 },
  { role: 'statd', pid: 8 },
];

function kubeletNode(): HostModel {
  const host = new HostModel().directory('/run/systemd/system');
  host.texts.set('/proc/self/cgroup', '0::/system.slice/kubelet.service\n');
  host.texts.set('/proc/7/cgroup', '0::/system.slice/kubelet.service\n');
  host.texts.set('/proc/8/cgroup', '0::/system.slice/containerized-mounter-statd-8.scope\n');
  return host;
}

test('a daemon in our own control group gets a scope of its own; one that has its own is left alone', async (t) => {
  const host = kubeletNode();
  await moveToScopes(host, daemons);
  t.is(host.commands.length, 1);
  const [argv = []] = host.commands;
  t.deepEqual(argv.slice(0, 2), ['/usr/bin/busctl', 'call']);
  t.true(argv.includes('containerized-mounter-rpcbind-7.scope'));
  t.deepEqual(argv.slice(-9), ['PIDs', 'au', '1', '7', 'Before', 'as', '1', 'remote-fs-pre.target', '0']);
});

for (const [where, own] of [
  ['in the root of each hierarchy', '4:memory:/\n1:name=systemd:/\n0::/\n'],
  ['in another control group namespace', '0::/../kubelet\n'],
] as const)
  test(`without systemd, ${where}: nothing is looked for and nothing is run`, async (t) => {
    const host = new HostModel();
    host.texts.set('/proc/self/cgroup', own);
    await moveToScopes(host, () => t.fail() as never);
    t.deepEqual(host.commands, []);
  });

test('without systemd the daemons of our own control group join another', async (t) => {
  const host = new HostModel();
  const own = '4:memory:/kubelet\n1:name=systemd:/\n';
  host.texts.set('/proc/self/cgroup', own).set('/proc/7/cgroup', own);
  host.texts.set('/proc/8/cgroup', '4:memory:/containerized-mounter\n1:name=systemd:/\n');
  await moveToScopes(host, daemons);
  t.is(host.commands.length, 1);
  t.is(host.commands[0]?.[0], '/usr/bin/sh');
  t.deepEqual(host.commands[0]?.slice(3), ['sh', '7']);
});

test('a systemd that refuses fails no mount', async (t) => {
  const host = kubeletNode();
  host.onRun = () => ({ status: 1 });
  await t.notThrowsAsync(moveToScopes(host, daemons));
  host.findProgram = () => {
    throw new Error('no busctl');
  };
  await t.notThrowsAsync(moveToScopes(host, daemons));
});
