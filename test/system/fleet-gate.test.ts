import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { everyNth } from '../support/long-run.ts';
import {
  installedMounter,
  kubeletDirectory,
  mounterHome,
  type ScratchNode,
} from '../support/node/namespace.ts';
import { containerSpec, nodeWithImage, RunningAgent, setGate } from '../support/node/node-agent.ts';
import { makeSbinWritable } from '../support/node/writable-sbin.ts';

/** The gate of a fleet, on nodes where nothing else works. */

/** What breaks a node that was in order; and what its agent says first when it is to be on. */
const conditions: readonly {
  readonly title: string;
  readonly breaks: string;
  readonly saysFirst: RegExp;
}[] = [
  { title: 'healthy', breaks: ':', saysFirst: /^mounts would work$/m },
  {
    title: 'prepare fails',
    breaks: `${installedMounter} teardown
      rm -r /var/lib/containerized-mounter; echo >/var/lib/containerized-mounter`,
    saysFirst: /^\/var\/lib\/containerized-mounter.*: [\s\S]*\(mounter (enable|install): status 2\)/,
  },
  {
    title: 'install fails',
    breaks: `rm -r /tmp/container/usr/share/containerized-mounter/image/blobs
      rm ${mounterHome}/rootfs ${mounterHome}/mounter-full; echo x >${mounterHome}/rootfs-manifest.json`,
    saysFirst: /^[^\n]*image[^\n]*: [\s\S]*\(mounter install: status \d\)/,
  },
  {
    title: 'the disk is read-only',
    breaks: `echo x >${mounterHome}/rootfs-manifest.json; mount -o remount,ro /home`,
    saysFirst: /^[^\n]*: [\s\S]*EROFS[\s\S]*\(mounter install: status 2\)/,
  },
];

/** This node mounts no NFS: its kernel has none. */
const hasHelpers = (node: ScratchNode) => readdirSync(node.path('/usr/sbin')).includes('mount.glusterfs');
const target = `${kubeletDirectory}/by-host`;

/** That a call of kubelet's is the host's own mount(8): nothing of the mounter's refuses what it does not know. */
async function mountsByHost(node: ScratchNode): Promise<boolean> {
  await node.shell(`mkdir -p ${target}`);
  const { status } = await node.run([installedMounter, 'mount', '-t', 'tmpfs', 'tmpfs', target]);
  if (status === 0) await node.shell(`umount ${target}`);
  return status === 0;
}

for (const { title, breaks, saysFirst } of everyNth(2, conditions)) {
  test.serial(`${title}: on, off, on again, removed`, async (t) => {
    await using node = await nodeWithImage();
    await makeSbinWritable(node);
    const mountPoints = () => node.mountinfo().map(({ mountPoint }) => mountPoint);
    const before = mountPoints();
    const agent = new RunningAgent(node, await containerSpec('--helpers'));
    await agent.until(0, /^mounts would work$/m);
    t.true(hasHelpers(node));
    t.false(await mountsByHost(node));
    await node.shell(breaks);
    if (title !== 'healthy') await agent.until(1, saysFirst);
    for (const [state, words] of [
      ['off\n', /^turned off$/m],
      ['removed', /^removed$/m],
    ] as const) {
      setGate(node, state);
      await agent.until(0, words, 20);
      t.false(hasHelpers(node), state);
      t.true(await mountsByHost(node), state);
      if (state === 'removed') t.deepEqual(mountPoints(), before);
      setGate(node, ' on');
      await agent.until(title === 'healthy' ? 0 : 1, saysFirst, 40);
      t.is(await mountsByHost(node), title !== 'healthy', 'what cannot be on stays off');
    }
    await agent.end();
  });
}

test.serial('a node that never was installed on is off, and removed, by nothing that is done', async (t) => {
  await using node = await nodeWithImage();
  await node.shell('rm -r /tmp/container/usr/share/containerized-mounter/image/blobs');
  const agent = new RunningAgent(node, await containerSpec());
  await agent.until(1, /^[^\n]*: [\s\S]*\(mounter install: status \d\)/);
  for (const [state, words] of [
    ['off', /^turned off$/m],
    ['removed', /^removed$/m],
  ] as const) {
    setGate(node, state);
    await agent.until(0, words, 20);
  }
  t.deepEqual(readdirSync(node.path('/home')), []);
  await agent.end();
});

test.serial('a step at work that does not end is no matter', async (t) => {
  await using node = await nodeWithImage();
  await makeSbinWritable(node);
  const agent = new RunningAgent(node, await containerSpec('--helpers'));
  await agent.until(0, /^mounts would work$/m);
  const holder = node.run(['flock', '/run/containerized-mounter/locks/node', 'sleep', '600']);
  await node.shell('rm /usr/sbin/mount.glusterfs');
  while (!node.processesOf('flock').some(({ commandLine }) => commandLine.includes('60')))
    await setTimeout(100);
  setGate(node, 'off');
  await agent.until(0, /^turned off$/m, 20);
  t.false(hasHelpers(node));
  t.true(await mountsByHost(node));
  await node.shell(
    `kill ${node
      .processesOf('sleep')
      .map(({ pid }) => pid)
      .join(' ')}`,
  );
  await holder;
  await agent.end();
});

test.serial('removed waits for volumes, off does not, and nothing else is mounted meanwhile', async (t) => {
  await using node = await nodeWithImage();
  const agent = new RunningAgent(node, await containerSpec());
  await agent.until(0, /^mounts would work$/m);
  const volume = await node.mountGlusterfs('volume');
  setGate(node, 'removed');
  await agent.until(1, /^teardown: volumes are mounted: 1, such as server:volume on /);
  t.true(await mountsByHost(node));
  t.is((await node.mounter('status')).status, 0, 'off is no fault');
  await node.shell(`umount ${volume}`);
  await agent.until(0, /^removed$/m, 70);
  await agent.end();
});

test.serial('what is no state of the gate leaves the node as it is', async (t) => {
  await using node = await nodeWithImage();
  const agent = new RunningAgent(node, await containerSpec());
  await agent.until(0, /^mounts would work$/m);
  setGate(node, 'true');
  await agent.until(
    1,
    /^\/etc\/containerized-mounter-gate\/state: "true" is no state of the gate\nhint: .* on, off, removed: .*--enabled true/,
  );
  t.false(await mountsByHost(node));
  await agent.end();
});

test.serial('a node that was turned off by hand stays off, and is ready', async (t) => {
  await using node = await nodeWithImage();
  await makeSbinWritable(node);
  const agent = new RunningAgent(node, await containerSpec('--helpers'));
  await agent.until(0, /^mounts would work$/m);
  await node.mustRun('disable');
  await agent.until(0, new RegExp(`^turned off by hand on this node: ${mounterHome}/disabled$`, 'm'));
  setGate(node, 'off');
  await agent.until(0, /^turned off$/m);
  setGate(node, 'on');
  await agent.until(0, /^turned off by hand/m);
  t.true(await mountsByHost(node));
  t.false(hasHelpers(node));
  await node.mustRun('enable');
  await agent.until(0, /^mounts would work$/m);
  t.true(hasHelpers(node));
  await agent.end();
});
