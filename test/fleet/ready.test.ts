import { readFileSync } from 'node:fs';
import test from 'ava';
import { runtimes } from '../support/fleet/containerd.ts';
import { Pod, type Probed } from '../support/fleet/kubelet.ts';
import { fleetSetting, makeBare, mountVolume, otherMounts } from '../support/fleet/setting.ts';

/** The DaemonSet as it ships, in a real runtime with its own default profile. */

for (const runtime of runtimes) {
  test.serial(
    `${runtime}: ready in seconds under its default seccomp profile, on a node in use`,
    async (t) => {
      await using setting = await fleetSetting();
      const { machine, node, cluster } = setting;
      const before = otherMounts(node);
      const pod = await Pod.start(machine, cluster, runtime);
      const seconds = await pod.until(0, /^mounts would work$/m, 20);
      t.log(`ready after ${seconds.toFixed(1)} s`);
      t.deepEqual(otherMounts(node), before);

      const status = readFileSync(node.path(`/proc/${await pod.pid()}/status`), 'utf8');
      t.regex(status, /^Seccomp:\t2$/m);
      const { securityContext } = cluster.template.spec.containers[0];
      const bits = parseInt(/^CapBnd:\t(\w+)$/m.exec(status)?.[1] ?? '', 16)
        .toString(2)
        .match(/1/g);
      t.is(bits?.length, securityContext.capabilities.add.length);
      t.not((await pod.exec(['/bin/sh', '-c', 'echo >/file'])).status, 0, 'its root is read-only');
      t.not(
        (await pod.exec(['/bin/sh', '-c', '[ -e /dev/fuse ]'])).status,
        0,
        'it has no device of the host',
      );

      const target = await mountVolume(setting, 'a');
      await node.shell(`echo x >${target}/file; umount ${target}`);
      await pod.stop();
      t.deepEqual(otherMounts(node), before);
    },
  );
}

/** What the agent has come to: ready, or a step has failed. */
const hasEnded = ({ status, output }: Probed) => status === 0 || /\(mounter \w+: status \d+\)$/m.test(output);

test.serial('every printed capability is needed, to make a node ready or to remove it all', async (t) => {
  await using setting = await fleetSetting();
  const { machine, node, cluster } = setting;
  const { capabilities } = cluster.template.spec.containers[0].securityContext;
  const all: readonly string[] = capabilities.add;
  const needed: string[] = [];
  for (const one of ['none of them', ...all]) {
    capabilities.add = all.filter((name) => name !== one);
    const pod = await Pod.start(machine, cluster);
    let { status } = await pod.saying(hasEnded);
    if (status === 0) {
      await node.mustRun('exec', '--', '/sbin/rpcbind', '-w');
      await node.mustRun('exec', '--', '/sbin/rpc.statd', '--no-notify');
      await cluster.apply('--remove');
      pod.syncConfigMaps();
      status = (await pod.saying((probed) => hasEnded(probed) && !/would work/.test(probed.output))).status;
      await cluster.apply('--enabled', 'true');
    }
    if (status !== 0) needed.push(one);
    await pod.stop();
    await makeBare(node);
  }
  t.deepEqual(needed, all);
});
