import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { connectGuestDriver } from '../support/csi/guest-driver.ts';
import { testVolume } from '../support/csi/requests.ts';
import { readMountsFrom } from '../support/guest/mountinfo.ts';
import { digestOf, manifestText, rootfsWith } from '../support/node/rootfs-versions.ts';
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

/** After a reboot, with nobody's help. */

test.serial('the node is prepared before kubelet starts, and not by kubelet', async (t) => {
  const [prepared, started] = await Promise.all([
    property('containerized-mounter-prepare.service', 'ActiveEnterTimestampMonotonic'),
    property('kubelet.service', 'ExecMainStartTimestampMonotonic'),
  ]);
  t.is(await property('containerized-mounter-prepare.service', 'Result'), 'success');
  t.true(Number(prepared) > 0 && Number(prepared) <= Number(started), `${prepared} ${started}`);
  t.is(await mounter('prepare'), 'prepared already; nothing to do');
  t.is(await systemctl('is-system-running').catch((error) => error.stdout), 'running');
});

test.serial(
  'volumes were unmounted in order: no server has locks of ours, and no lock service runs',
  async (t) => {
    t.is(await property('containerized-mounter-notify.service', 'ConditionResult'), 'no');
    t.deepEqual(readdirSync(`${lockState}/sm`), []);
    t.deepEqual(daemons(), []);
  },
);

test.serial('kubelet gets its volumes as soon as the servers are there, and locks work', async (t) => {
  await startServers();
  await kubeletIsReady();
  await volumesWork(t);
  t.is(theDaemon(t, 'rpcbind')?.unit, 'containerized-mounter-rpcbind.service');
  t.is(theDaemon(t, 'rpc.statd')?.unit, 'containerized-mounter-statd.service');
});

test.serial('a restart of kubelet ends no daemon and unmounts nothing', async (t) => {
  const before = daemons();
  const mounts = await readMountsFrom('/');
  await restartKubelet();
  t.deepEqual(daemons(), before);
  t.deepEqual(await readMountsFrom('/'), mounts);
  await volumesWork(t);
});

test.serial('an upgrade leaves the units as they are, and volumes and daemons at work', async (t) => {
  const bytes = await rootfsWith('upgraded');
  mkdirSync('/var/tmp/upgrade', { recursive: true });
  writeFileSync('/var/tmp/upgrade/rootfs.tar', bytes);
  const manifest = JSON.parse(manifestText);
  manifest.rootfs.digest = digestOf(bytes);
  writeFileSync('/var/tmp/upgrade/rootfs-manifest.json', JSON.stringify(manifest));
  const before = daemons();
  await mounter('install', '/var/tmp/upgrade/rootfs.tar');
  t.is(await mounter('unit', '--install'), 'installed already; nothing to do');
  t.deepEqual(daemons(), before);
  await restartKubelet();
  await volumesWork(t);
});

test.serial('the CSI driver is a service, and what it has mounted goes on without it', async (t) => {
  const unit = 'containerized-mounter-csi.service';
  const volume = testVolume('by-csi', { type: 'glusterfs', server: '10.77.0.1', volume: 'v1' });
  for (const directory of volume.directories(1)) mkdirSync(directory, { recursive: true });
  const [file, call] = [
    `${volume.target(1)}/by-csi`,
    async (method: string, request: object) => {
      await using driver = await connectGuestDriver();
      t.like(await driver.call(method, request), { code: 'OK', message: '' });
    },
  ];
  await mounter('unit', 'csi', '--install');
  await run('systemd-analyze', 'verify', `/etc/systemd/system/${unit}`);
  await call('StageVolume', volume.staged);
  await call('PublishVolume', volume.published(1));
  writeFileSync(file, 'before');
  const before = await property(unit, 'MainPID');
  await systemctl('kill', '--kill-whom=main', '--signal=KILL', unit);
  await call('PublishVolume', volume.published(1));
  t.not(await property(unit, 'MainPID'), before);
  await systemctl('stop', unit);
  writeFileSync(file, 'after');
  t.deepEqual(await mounter('unit', 'csi', '--remove'), `removed /etc/systemd/system/${unit}`);
  t.is(readFileSync(file, 'utf8'), 'after');
  await mounter('unit', 'csi', '--install');
  await call('UnpublishVolume', volume.unpublished(1));
  await call('UnstageVolume', volume.unstaged);
  t.deepEqual(await readMountsFrom(volume.staging), []);
  await mounter('unit', 'csi', '--remove');
});

test.serial('the node loses its power while it holds locks', async (t) => {
  await run('systemd-run', '--unit=lock-holder', 'flock', `${volumes.v3}/lock`, 'sleep', 'infinity');
  const servers = ['10.9.0.1', '10.9.1.1'];
  for (let i = 0; i < 600 && readdirSync(`${lockState}/sm`).length < servers.length; i += 1)
    await setTimeout(100);
  t.deepEqual(readdirSync(`${lockState}/sm`), servers);
  writeFileSync('/run/power-loss', '');
});
