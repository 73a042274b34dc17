import test from 'ava';
import { connectClient } from '../support/csi/driver.ts';
import { registrySocket, socket, testVolume } from '../support/csi/requests.ts';
import { daemonsOf } from '../support/gluster/gluster-node.ts';
import { startGlusterServer } from '../support/gluster/gluster-server.ts';
import { ControlGroups } from '../support/node/control-groups.ts';
import { mounterHome } from '../support/node/namespace.ts';
import { driverSpec, nodeWithImage, RunningAgent } from '../support/node/node-agent.ts';

/** The driver as the DaemonSet runs it: in the agent's container, and on the host's paths without a hostPath. */

test.serial(
  'ready once kubelet has registered it; killed, its volumes and their daemons go on',
  async (t) => {
    t.timeout(600_000);
    await using server = await startGlusterServer({ volumes: ['v1'] });
    using groups = new ControlGroups();
    await using node = await nodeWithImage(groups.request(server.enter));
    await groups.showIn(node);
    const spec = await driverSpec();
    const agent = new RunningAgent(node, spec, groups.in('container'));
    await agent.until(1, /kubelet has not registered the CSI driver/, 120);
    {
      await using kubelet = await connectClient(node, registrySocket);
      t.is((await kubelet.call('Registration', 'GetInfo')).answer.endpoint, socket);
      await kubelet.call('Registration', 'NotifyRegistrationStatus', { pluginRegistered: true });
    }
    await agent.until(0, /mounts would work/);

    const volume = testVolume('v', { type: 'glusterfs', server: server.address, volume: 'v1' });
    await node.shell(`mkdir -p ${volume.directories(2).join(' ')}`);
    {
      await using client = await connectClient(node);
      const stagedNow = await client.call('Node', 'NodeStageVolume', volume.staged);
      t.is(stagedNow.code, 'OK', stagedNow.message);
      t.like(await client.call('Node', 'NodePublishVolume', volume.published(1)), { code: 'OK' });
      const asked = { volumeId: 'v', volumePath: volume.target(1) };
      const stats = await client.call('Node', 'NodeGetVolumeStats', asked);
      t.like(stats.answer.volumeCondition, { message: 'it answers' });
    }
    await node.shell(`echo before >${volume.target(1)}/file`);
    const [daemon = 0] = daemonsOf(volume.staging);
    // As a runtime does where the container has the host's process ids: whatever is in its control group.
    t.true(groups.processesIn('container').length > 0);
    await groups.kill('container');
    await agent.ended;
    t.deepEqual(daemonsOf(volume.staging), [daemon]);
    t.is(
      await node.shell(`echo after >>${volume.target(1)}/file; cat ${volume.target(1)}/file`),
      'before\nafter\n',
    );

    // As after a roll back from a version that has a setting more.
    await node.shell(`sed -i '0,/{/s//{"settingOfANewerVersion": 1,/' ${mounterHome}/rootfs-manifest.json`);
    const next = new RunningAgent(node, spec);
    await next.until(1, /kubelet has not registered the CSI driver/, 120);
    await using client = await connectClient(node);
    await node.shell(`mkdir -p ${volume.directories(100).join(' ')}`);
    const pods = Array.from({ length: 100 }, (_, index) => index + 1);
    const published = await Promise.all(
      pods.map((pod) => client.call('Node', 'NodePublishVolume', volume.published(pod))),
    );
    t.deepEqual([...new Set(published.map(({ code }) => code))], ['OK']);
    t.deepEqual(daemonsOf(volume.staging), [daemon], 'one daemon, however many Pods');
    const taken = await Promise.all(
      pods.map((pod) => client.call('Node', 'NodeUnpublishVolume', volume.unpublished(pod))),
    );
    t.deepEqual([...new Set(taken.map(({ code }) => code))], ['OK']);
    await node.mustRun('disable');
    t.deepEqual((await client.call('Identity', 'Probe')).answer, { ready: {} });
    const off = await client.call('Node', 'NodeStageVolume', volume.staged);
    t.is(off.code, 'UNAVAILABLE');
    t.regex(
      off.message,
      /^the mounter is turned off on this node, by \/.*\/disabled; run mounter enable on it/,
    );
    await node.mustRun('enable');
    // By the front in the driver's own executable.
    t.like(await client.call('Node', 'NodePublishVolume', volume.published(1)), { code: 'OK' });
    // The agent may be at work in it.
    await node.shell(`until rm -rf ${mounterHome}; do sleep 0.1; done`);
    t.like(await client.call('Node', 'NodeUnpublishVolume', volume.unpublished(1)), { code: 'OK' });
    t.like(await client.call('Node', 'NodeUnstageVolume', volume.unstaged), { code: 'OK' });
    t.deepEqual(node.entriesOf(volume.staging), []);
    const resident = await node.shell(`awk '/^VmRSS/ {print $2}' /proc/${next.pid}/status`);
    t.log(
      `published 100: ${Math.max(...published.map(({ ms }) => ms))} ms; resident then: ${resident.trim()} kB`,
    );
    await next.end();
  },
);
