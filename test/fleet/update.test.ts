import test from 'ava';
import { updatedImage } from '../support/fleet/images.ts';
import { Pod } from '../support/fleet/kubelet.ts';
import { fleetSetting, mountVolume, otherMounts, oursOn, oursSettled } from '../support/fleet/setting.ts';
import { Writer } from '../support/fleet/writer.ts';
import { shared } from '../support/node/namespace.ts';
import { currentVersion } from '../support/node/rootfs-versions.ts';

test.serial('an update and a roll back while a volume is written to: no write fails', async (t) => {
  await using setting = await fleetSetting();
  const { machine, node, cluster, image } = setting;
  const second = await machine.publish(await updatedImage('second'), 'mounter-node-agent');
  let pod = await Pod.start(machine, cluster);
  await pod.until(0);
  const before = otherMounts(node);
  const target = await mountVolume(setting, 'written');
  const writer = Writer.start(['nsenter', ...node.enter], target, node.sharedDirectory, shared);
  const versions = new Set([currentVersion(node)]);
  for (const next of [second, image]) {
    await setting.update(next);
    await pod.stop();
    pod = await Pod.start(machine, cluster);
    t.log(`ready after ${(await pod.until(0)).toFixed(1)} s`);
    versions.add(currentVersion(node));
    await node.shell(`umount ${await mountVolume(setting, 'new')}`);
  }
  t.is(versions.size, 2);
  const { written, failed } = await writer.end();
  t.log(`${written} writes, ${failed} failed`);
  t.true(written > 50);
  t.is(failed, 0);
  t.deepEqual(otherMounts(node), before);
  await node.shell(`umount ${target}`);
  await pod.stop();
});

test.serial('a node that is started again needs nothing but the DaemonSet, and no registry', async (t) => {
  await using setting = await fleetSetting();
  const { machine, node, cluster } = setting;
  let pod = await Pod.start(machine, cluster);
  await pod.until(0);
  const ours = await oursOn(node);
  await machine.registry[Symbol.asyncDispose]();
  await machine.reboot();
  t.notDeepEqual(await oursOn(node), ours);
  pod = await Pod.start(machine, cluster);
  t.log(`ready after ${(await pod.until(0)).toFixed(1)} s`);
  t.deepEqual(await oursSettled(node, ours), ours);
  await node.shell(`umount ${await mountVolume(setting, 'after')}`);
  await pod.stop();
});
