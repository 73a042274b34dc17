import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import test from 'ava';
import { connectGuestDriver } from '../../support/csi/guest-driver.ts';
import { registerGuestDriver } from '../../support/csi/guest-registration.ts';
import { testVolume } from '../../support/csi/requests.ts';
import { Cluster, Pod } from '../../support/fleet/kubelet.ts';
import { GuestMachine } from '../../support/fleet/systemd/guest-machine.ts';
import { Writer } from '../../support/fleet/writer.ts';
import { home } from '../../support/guest/node.ts';
import { daemons, run, startServers } from '../../support/systemd/node.ts';

/** On a node with systemd and cgroups of version 2, and volumes of real NFS; one is mounted by CSI. */

test.before(startServers);

const volumes = [
  ['nfs', '-o', 'nfsvers=4.1', '10.9.0.1:/srv/vol1'],
  ['nfs', '-o', 'nfsvers=3', '10.9.0.1:/srv/vol2'],
  ['glusterfs', '10.77.0.1:v1'],
] as const;

const byCsi = testVolume('by-csi', { type: 'glusterfs', server: '10.77.0.1', volume: 'v1' });

async function callDriver(method: string, request: object): Promise<void> {
  await using driver = await connectGuestDriver();
  const { code, message } = await driver.call(method, request);
  if (code !== 'OK') throw new Error(`${method}: ${code} ${message}`);
}

test.serial(
  'ready under the default profile; an update while volumes are written to fails no write',
  async (t) => {
    t.timeout(600_000);
    const machine = await GuestMachine.start();
    const cluster = new Cluster('csi');
    /** @returns after how many seconds, once kubelet has found the driver. */
    const untilReady = async () => {
      const seconds = await pod.until(1, /kubelet has not registered the CSI driver/);
      await registerGuestDriver();
      return (seconds + (await pod.until(0, /^mounts would work$/m))).toFixed(1);
    };
    const apply = (name: string) => cluster.apply('--image', machine.images.get(name) ?? '');
    await apply('first');
    let pod = await Pod.start(machine, cluster);
    t.log(`ready after ${await untilReady()} s`);
    t.regex(readFileSync(`/proc/${await pod.pid()}/status`, 'utf8'), /^Seccomp:\t2$/m);
    t.regex(
      readFileSync(`/proc/${await pod.pid()}/cgroup`, 'utf8'),
      /^0::\/kubepods.*\.slice\/cri-containerd-/,
    );

    const writers = new Map<string, Writer>();
    for (const [index, [type, ...words]] of volumes.entries()) {
      const target = `/var/lib/kubelet/pods/written/volumes/${index}`;
      mkdirSync(target, { recursive: true });
      await run(`${home}/mounter`, 'mount', '-t', type, ...words, target);
      writers.set(target, Writer.start([], target, mkdtempSync('/tmp/writer-')));
    }
    for (const directory of byCsi.directories(1)) mkdirSync(directory, { recursive: true });
    await callDriver('StageVolume', byCsi.staged);
    await callDriver('PublishVolume', byCsi.published(1));
    const ofCsi = Writer.start([], byCsi.target(1), mkdtempSync('/tmp/writer-'));
    const units = daemons().filter(({ name }) => name.startsWith('glusterfs'));
    t.is(units.length, 2);
    for (const { unit } of units) t.regex(unit, /^containerized-mounter-.*\.scope$/);
    for (const name of ['second', 'first']) {
      await apply(name);
      await pod.stop();
      pod = await Pod.start(machine, cluster);
      t.log(`${name}: ready after ${await untilReady()} s`);
    }
    t.is((await ofCsi.end()).failed, 0);
    await callDriver('UnpublishVolume', byCsi.unpublished(1));
    await callDriver('UnstageVolume', byCsi.unstaged);
    for (const [target, writer] of writers) {
      const { written, failed } = await writer.end();
      t.log(`${target}: ${written} writes, ${failed} failed`);
      t.true(written > 10);
      t.is(failed, 0);
      await run('umount', target);
    }

    for (const [flags, words] of [
      [['--enabled', 'false'], /^turned off$/m],
      [['--remove'], /^removed$/m],
    ] as const) {
      await cluster.apply(...flags);
      pod.syncConfigMaps();
      await pod.until(0, words);
    }
    await pod.stop();
    machine.cri.close();
  },
);
