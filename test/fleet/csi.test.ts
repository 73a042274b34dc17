import { readFileSync } from 'node:fs';
import test from 'ava';
import { connectClient } from '../support/csi/driver.ts';
import { registrySocket, testVolume } from '../support/csi/requests.ts';
import { Pod } from '../support/fleet/kubelet.ts';
import { fleetSetting } from '../support/fleet/setting.ts';
import { Writer } from '../support/fleet/writer.ts';
import { daemonsOf } from '../support/gluster/gluster-node.ts';
import { shared } from '../support/node/namespace.ts';

/** The CSI driver as it ships, in a real runtime: with its devices, its control group, and its end. */

test.serial('a volume is mounted, and outlives the driver that is killed, ended and removed', async (t) => {
  await using setting = await fleetSetting('csi');
  const { machine, node, cluster, server } = setting;
  /** As kubelet does for a driver that has come. */
  const startDriver = async () => {
    const pod = await Pod.start(machine, cluster);
    await pod.until(1, /kubelet has not registered the CSI driver/);
    await register();
    await pod.until(0, /^mounts would work$/m);
    return pod;
  };
  const register = async () => {
    await using kubelet = await connectClient(node, registrySocket);
    await kubelet.call('Registration', 'NotifyRegistrationStatus', { pluginRegistered: true });
  };

  const first = await startDriver();
  const volume = testVolume('fleet-csi', { type: 'glusterfs', server: server.address, volume: 'v1' });
  await node.shell(`mkdir -p ${volume.directories(2).join(' ')}`);
  {
    await using client = await connectClient(node);
    // The container has no /dev/fuse; the daemon of a volume has.
    const staged = await client.call('Node', 'NodeStageVolume', volume.staged);
    t.is(staged.code, 'OK', staged.message);
    t.like(await client.call('Node', 'NodePublishVolume', volume.published(1)), { code: 'OK' });
  }
  const [daemon = 0] = daemonsOf(volume.staging);
  t.false(readFileSync(`/proc/${daemon}/cgroup`, 'utf8').includes(first.uid), 'not in the group of the Pod');
  const writer = Writer.start(['nsenter', ...node.enter], volume.target(1), node.sharedDirectory, shared);
  await first.kill();
  await first.until(1, /kubelet has not registered the CSI driver/);
  await first.stop();
  const second = await startDriver();
  t.deepEqual(daemonsOf(volume.staging), [daemon]);
  const { written, failed } = await writer.end();
  t.log(`${written} writes, ${failed} failed`);
  t.true(written > 20);
  t.is(failed, 0);

  await using client = await connectClient(node);
  t.like(await client.call('Node', 'NodePublishVolume', volume.published(2)), { code: 'OK' });
  for (const pod of [1, 2])
    t.like(await client.call('Node', 'NodeUnpublishVolume', volume.unpublished(pod)), { code: 'OK' });
  t.like(await client.call('Node', 'NodeUnstageVolume', volume.unstaged), { code: 'OK' });
  t.deepEqual(node.entriesOf(volume.staging), []);
  await second.stop();
});
