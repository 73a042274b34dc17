import test from 'ava';
import { moveToScopes } from '../../../src/lock-services/scope.ts';
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

test('without systemd nothing is looked for and nothing is run', async (t) => {
  const host = new HostModel();
  await moveToScopes(host, () => t.fail() as never);
  t.deepEqual(host.commands, []);
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
