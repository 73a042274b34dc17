import test from 'ava';
import { brokenImage } from '../support/fleet/images.ts';
import { Pod } from '../support/fleet/kubelet.ts';
import { type FleetSetting, fleetSetting, otherMounts } from '../support/fleet/setting.ts';
import {
  installedMounter,
  kubeletDirectory,
  mounterHome,
  type ScratchNode,
} from '../support/node/namespace.ts';

/** Turned off, and removed, by what `mounter manifest daemonset` prints, on nodes where all else fails. */

const conditions: readonly {
  readonly title: string;
  /** Of a node that is ready. */
  readonly breaks: (setting: FleetSetting) => Promise<unknown>;
  /** What the agent then says, when it is started anew. */
  readonly says: RegExp;
}[] = [
  { title: 'healthy', breaks: async () => {}, says: /^mounts would work$/m },
  {
    title: 'prepare fails',
    breaks: ({ node }) =>
      node.shell(`${installedMounter} teardown
        rm -r /var/lib/containerized-mounter; echo >/var/lib/containerized-mounter`),
    says: /\(mounter enable: status 2\)/,
  },
  {
    title: 'install fails',
    breaks: async ({ machine, update }) =>
      update(await machine.publish(await brokenImage('broken'), 'broken')),
    says: /\(mounter install: status \d\)/,
  },
  {
    title: 'the registry is gone',
    breaks: ({ machine }) => machine.registry[Symbol.asyncDispose](),
    says: /^mounts would work$/m,
  },
];

for (const { title, breaks, says } of conditions) {
  test.serial(`${title}: off, and removed, within seconds`, async (t) => {
    await using setting = await fleetSetting();
    const { machine, node, cluster } = setting;
    const [before, mounts] = [otherMounts(node), mountPoints(node)];
    let pod = await Pod.start(machine, cluster);
    await pod.until(0, /^mounts would work$/m);
    t.false(await mountsByHost(node));
    await pod.stop();
    await breaks(setting);
    pod = await Pod.start(machine, cluster);
    await pod.until(/would work/.test(says.source) ? 0 : 1, says);

    await cluster.apply('--enabled', 'false');
    pod.syncConfigMaps();
    t.log(`off after ${(await pod.until(0, /^turned off$/m)).toFixed(1)} s`);
    t.true(await mountsByHost(node));
    await cluster.apply('--remove');
    pod.syncConfigMaps();
    t.log(`removed after ${(await pod.until(0, /^removed$/m)).toFixed(1)} s`);
    t.true(await mountsByHost(node));
    await pod.stop();
    t.deepEqual(mountPoints(node), mounts);
    t.deepEqual(otherMounts(node), before);
  });
}

/** Without those of containers. */
function mountPoints(node: ScratchNode): readonly string[] {
  return node
    .mountinfo()
    .map(({ mountPoint }) => mountPoint)
    .filter((path) => !/^\/run\/(containerd|netns)/.test(path));
}

/** That a call of kubelet's is the host's own mount(8): nothing of the mounter's refuses what it does not know. */
async function mountsByHost(node: ScratchNode): Promise<boolean> {
  const target = `${kubeletDirectory}/by-host`;
  await node.shell(`mkdir -p ${target}`);
  const { status } = await node.run([`${mounterHome}/mounter`, 'mount', '-t', 'tmpfs', 'tmpfs', target]);
  if (status === 0) await node.shell(`umount ${target}`);
  return status === 0;
}
