import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import test from 'ava';
import { execa } from 'execa';
import { readMountsFrom } from '../support/guest/mountinfo.ts';
import { entriesPerVolume, home } from '../support/guest/node.ts';
import { dpkgInVm, packageInVm } from '../support/packages/debian-package.ts';
import {
  daemons,
  kubeletIsReady,
  lockState,
  mounter,
  property,
  restartKubelet,
  run,
  startServers,
  systemctl,
  theDaemon,
  volumes,
  volumesWork,
} from '../support/systemd/node.ts';

/** After a power loss, with the rootfs that was installed before. */

test.serial('servers are told to give up the locks of before', async (t) => {
  t.is(await property('containerized-mounter-notify.service', 'ConditionResult'), 'yes');
  t.is(await property('containerized-mounter-notify.service', 'Result'), 'success');
  // Odd while the node is up; each restart that somebody has to be told of adds 2.
  const state = readFileSync(`${lockState}/state`).readInt32LE(0);
  t.true(state >= 3 && state % 2 === 1, String(state));
  t.deepEqual(readdirSync(`${lockState}/sm`), []);
});

test.serial('the new rootfs is prepared, and kubelet gets its volumes from it', async (t) => {
  t.true(existsSync(`${home}/rootfs/upgraded`));
  t.is(await mounter('prepare'), 'prepared already; nothing to do');
  await startServers();
  await kubeletIsReady();
  await volumesWork(t);
  const root = realpathSync(`${home}/rootfs`);
  const others = daemons().filter((daemon) => daemon.root !== root);
  t.deepEqual(others, []);
});

test.serial('without the units of the lock services, mounts start them in scopes of their own', async (t) => {
  await mounter('unit', 'statd', '--remove');
  await systemctl('stop', 'kubelet.service');
  for (const target of [volumes.old, volumes.v3]) await run('umount', target);
  await systemctl('stop', 'containerized-mounter-statd.service', 'containerized-mounter-rpcbind.service');
  t.deepEqual(
    daemons().filter(({ name }) => name.startsWith('rpc')),
    [],
  );
  await restartKubelet();
  await volumesWork(t);
  for (const [name, role] of [
    ['rpcbind', 'rpcbind'],
    ['rpc.statd', 'statd'],
  ] as const) {
    const daemon = theDaemon(t, name);
    t.is(daemon?.unit, `containerized-mounter-${role}-${daemon?.pid}.scope`);
  }
});

test.serial('nor does a restart of kubelet end those', async (t) => {
  const before = daemons();
  const mounts = await readMountsFrom('/');
  await restartKubelet();
  t.deepEqual(daemons(), before);
  t.deepEqual(await readMountsFrom('/'), mounts);
  await volumesWork(t);
});

/** Also the links that systemd goes by at boot. */
const unitFiles = () => run('find', '/etc/systemd/system', '-name', 'containerized-mounter*');

test.serial('the Debian package over a node that was prepared by hand changes nothing of it', async (t) => {
  const [before, mounts, files] = [daemons(), await readMountsFrom('/'), await unitFiles()];
  for (const argv of [
    ['--install', packageInVm('1')],
    ['--install', packageInVm('2')],
    ['--remove', 'containerized-mounter'],
    ['--purge', 'containerized-mounter'],
  ]) {
    await dpkgInVm(...argv);
    t.deepEqual(daemons(), before);
    t.deepEqual(await readMountsFrom('/'), mounts);
    t.is(await unitFiles(), files);
    const unit = 'containerized-mounter-prepare.service';
    t.is(await property(unit, 'FragmentPath'), `/etc/systemd/system/${unit}`);
  }
  await volumesWork(t);
});

test.serial("the package's own units: an upgrade ends nothing, and a removal the driver alone", async (t) => {
  const [prepare, driver] = ['containerized-mounter-prepare.service', 'containerized-mounter-csi.service'];
  await mounter('unit', '--remove');
  await dpkgInVm('--install', packageInVm('1'));
  t.is(await property(driver, 'ActiveState'), 'inactive');
  await systemctl('enable', '--now', prepare, driver);
  t.is(await mounter('prepare'), 'prepared already; nothing to do');
  const [before, mounts, pid] = [daemons(), await readMountsFrom('/'), await property(driver, 'MainPID')];
  await dpkgInVm('--install', packageInVm('2'));
  t.is(await property(driver, 'MainPID'), pid);
  const said = await dpkgInVm('--remove', 'containerized-mounter');
  t.regex(said, /^\/home\/kubernetes\/containerized_mounter stays, with what it has mounted:$/m);
  for (const target of Object.values(volumes)) t.true(said.includes(target), said);
  t.is(await property(driver, 'ActiveState'), 'inactive');
  t.deepEqual(daemons(), before);
  t.deepEqual(await readMountsFrom('/'), mounts);
  await volumesWork(t);
  await dpkgInVm('--purge', 'containerized-mounter');
  t.is(await unitFiles(), '');
  await mounter('unit', 'prepare', '--install');
});

test.serial('a kubelet in an image of its own: in place of the other, on the node as that one', async (t) => {
  const own = '/var/lib/kubelet/pods/own';
  const root = '/opt/kubelet';
  await mounter('install', '/host/dist/rootfs.tar.zst', '--into', root);
  // What an image with a whole glibc has; the mounter is linked with it.
  const libraries = ['libpthread.so.0', 'libdl.so.2', 'libm.so.6'];
  const directory = '/usr/lib/x86_64-linux-gnu';
  await run('cp', '-L', ...libraries.map((name) => `${directory}/${name}`), `${root}${directory}`);
  // In one line: a unit's command is one.
  const script = [
    `mkdir -p ${own}`,
    `${home}/mounter mount -t nfs -o nfsvers=3 10.9.0.1:/srv/vol1 ${own}`,
    "touch /run/kubelet-like; trap 'exit 7' TERM; while :; do sleep 0.2; done",
  ].join('; ');
  const done = await mounter(
    ...['unit', 'kubelet', '--install', '--rootfs', root, '--', '/bin/sh', '-euc', script],
  );
  t.regex(done, /^enabled containerized-mounter-kubelet\.service$/m);
  const unit = 'containerized-mounter-kubelet.service';
  t.true((await property(unit, 'After')).includes('containerized-mounter-prepare.service'));
  t.is(await property(unit, 'ActiveState'), 'inactive', 'an operator starts it, or the next boot');
  const restart = async () => {
    rmSync('/run/kubelet-like', { force: true });
    await systemctl('restart', unit);
    await kubeletIsReady();
  };
  await restart();
  t.is(await property('kubelet.service', 'ActiveState'), 'inactive');
  const pid = await property(unit, 'MainPID');
  t.is(readlinkSync(`/proc/${pid}/exe`), `${root}/usr/bin/dash`);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  t.regex(status, /^Name:\tsh$/m);
  t.true(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) < 5 * 1024, 'nothing of the mounter is left');
  const mounts = await readMountsFrom('/');
  t.deepEqual(
    mounts
      .map(({ mountPoint }) => mountPoint)
      .filter((mountPoint) => mountPoint.endsWith(own))
      .sort(),
    [own, ...(entriesPerVolume === 1 ? [] : [`${realpathSync(`${home}/rootfs`)}${own}`])].sort(),
  );
  await volumesWork(t);
  const before = daemons();
  await restart();
  t.deepEqual(await readMountsFrom('/'), mounts);
  t.deepEqual(daemons(), before);
  await run('umount', own);
  t.is(await mounter('unit', 'kubelet', '--remove'), `removed /etc/systemd/system/${unit}`);
  await systemctl('stop', unit);
});

test.serial('a home that is mounted noexec is made executable before anything is run from it', async (t) => {
  await systemctl('stop', 'kubelet.service');
  for (const target of Object.values(volumes)) await run('umount', target);
  await mounter('teardown');
  await systemctl('stop', 'containerized-mounter-prepare.service');
  await run('mount', '--bind', '/home', '/home');
  await run('mount', '-o', 'remount,bind,noexec,nosuid', '/home');
  t.is((await execa(`${home}/mounter`, ['prepare'], { reject: false })).code, 'EACCES');
  await systemctl('start', 'containerized-mounter-prepare.service');
  t.is(await mounter('prepare'), 'prepared already; nothing to do');
  const [entry] = await readMountsFrom(home);
  t.true(entry?.mountOptions.includes('nosuid'));
});

test.serial('all of it is taken back', async (t) => {
  t.is(
    await mounter('unit', '--remove'),
    'removed /etc/systemd/system/containerized-mounter-prepare.service',
  );
  t.is(await mounter('unit', '--remove'), 'not installed; nothing to do');
  const left = await run('find', '/etc/systemd/system', '-name', 'containerized-mounter*');
  t.is(left, '');
});
