import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { startGlusterServer } from '../support/gluster/gluster-server.ts';
import { kubeletDirectory, mounterHome, ScratchNode } from '../support/node/namespace.ts';
import {
  containerSpec,
  nodeWithImage,
  probe,
  pullImage,
  RunningAgent,
  runOnce,
  setGate,
  setSettings,
  upgradeImage,
  withoutNfs,
} from '../support/node/node-agent.ts';
import { directoryOfThisProcess } from '../support/node/process-directory.ts';
import { currentVersion } from '../support/node/rootfs-versions.ts';
import { makeSbinWritable } from '../support/node/writable-sbin.ts';

/** The agent on a node, in a container that stands in for a real one; test/fleet has those. */

/**
 * All that a second round could change: every file with its inode, mode, size and times, and the mounts. Not a
 * directory's times: an install makes one for downloads and takes it away.
 */
async function stateOf(node: ScratchNode): Promise<readonly string[]> {
  const files = await node.shell(
    `find ${mounterHome} /var/lib/kubelet /var/lib/containerized-mounter /etc -xdev \\( -type d -printf '%p %i %M %u:%g\\n' -o -printf '%p %i %M %u:%g %s %T@ %C@ %l\\n' \\) | sort`,
  );
  return [...files.split('\n'), ...node.mountinfo().map((entry) => JSON.stringify(entry))];
}

test.serial('one round makes a bare node ready for mounts; a second one changes nothing', async (t) => {
  await using server = await startGlusterServer({ volumes: ['v1'] });
  await using node = await nodeWithImage({ enterNetwork: server.enter });
  const spec = await containerSpec();
  const unasked = await probe(node, spec);
  t.is(unasked.status, 1);
  t.regex(unasked.stdout, /^the node agent has not ended its first round: /);
  const first = await runOnce(node, spec);
  t.is(first.status, 0, first.stderr);
  t.regex(first.stdout, /^install: installed storage-tools sha256:/m);
  t.regex(first.stdout, /^enable: prepared$/m);
  const before = await stateOf(node);
  const second = await runOnce(node, spec);
  t.is(second.status, 0);
  t.regex(second.stdout, /^install: installed already: .*\nenable: prepared already; nothing to do\nprune: /);
  const after = await stateOf(node);
  t.deepEqual(
    after.filter((line) => !before.includes(line)),
    [],
  );
  t.is(after.length, before.length);
  t.deepEqual(node.processesOf('mounter'), [], 'nothing stays behind');

  const target = `${kubeletDirectory}/pods/v`;
  const volume = `${server.address}:v1`;
  await node.shell(
    `mkdir -p ${target}; ${mounterHome}/mounter mount -t glusterfs ${volume} ${target}; echo x >${target}/file`,
  );
  const third = await runOnce(node, spec);
  t.is(third.status, 0, third.stderr);
  t.is(await node.shell(`cat ${target}/file`), 'x\n');
  await node.shell(`umount ${target}`);
});

test.serial("name servers are the cluster's until kubelet writes, and what it writes stays", async (t) => {
  await using node = await nodeWithImage();
  const agent = new RunningAgent(node, await containerSpec());
  await agent.until(0, /^mounts would work$/m);
  const path = `${mounterHome}/${currentVersion(node)}/etc/resolv.conf`;
  const lines = () =>
    node
      .read(path)
      .split('\n')
      .filter((line) => /^[a-z]/.test(line));
  t.deepEqual(lines(), [
    'nameserver 10.96.0.10',
    'nameserver 192.0.2.53',
    'search svc.cluster.local cluster.local',
  ]);
  await node.shell(`echo 'nameserver 10.96.0.99' >${mounterHome}/rootfs/etc/resolv.conf`);
  await agent.end();
  const again = new RunningAgent(node, await containerSpec());
  await again.until(0, /^mounts would work$/m);
  t.deepEqual(lines(), ['nameserver 10.96.0.99']);
  await again.end();
});

test.serial(
  "what runs on the host has the host's name, which NFSv4 servers know it by, and not the Pod's",
  async (t) => {
    await using node = await nodeWithImage();
    await node.shell(`cd /tmp/container/usr/bin; mv mounter agent
    printf '#!/bin/sh\\ncat /proc/sys/kernel/hostname >&2; exit 1\\n' >mounter; chmod 755 mounter`);
    const spec = await containerSpec();
    const { stderr } = await runOnce(node, {
      ...spec,
      command: ['/usr/bin/agent', ...spec.command.slice(1)],
    });
    t.regex(stderr, new RegExp(`^install: status 1\n${hostname()}\n`));
    t.notRegex(stderr, /a-pod/);
  },
);

test.serial('outside of its container it says where it belongs', async (t) => {
  await using node = await ScratchNode.start();
  for (const argv of [['node-agent', '--once'], ['node-agent']]) {
    const { status, stdout, stderr } = await node.mounter(...argv);
    t.is(status, 2);
    t.regex(
      stderr,
      /^mounter: \/usr\/share\/.*: is missing: this is not the container of the node agent\nhint: .*\n$/,
    );
    t.is(stdout, '');
  }
});

test.serial('the agent keeps its node so, follows the settings, and ends at SIGTERM', async (t) => {
  t.timeout(600_000);
  await using node = await nodeWithImage();
  await makeSbinWritable(node);
  const agent = new RunningAgent(node, await containerSpec('--helpers'));
  const manifest = () => JSON.parse(node.read(`${mounterHome}/rootfs-manifest.json`));
  const helper = '/usr/sbin/mount.glusterfs';
  const isThere = () => readdirSync(node.path('/usr/sbin')).includes('mount.glusterfs');
  const until = async (what: string, isSo: () => boolean | Promise<boolean>) => {
    const end = Date.now() + 120_000;
    while (!(await isSo())) {
      if (Date.now() > end) return t.fail(`${what}: not within 120 s`);
      await setTimeout(50);
    }
    t.pass(what);
  };
  await agent.until(0, /^mounts would work$/m);
  t.true(isThere());
  t.false(readdirSync(node.path('/usr/sbin')).includes('mount.nfs4'), 'a type that no node mounts');
  for (const [what, breaks, isWhole] of [
    [
      'pins',
      node.entriesPerVolume === 1
        ? 'umount /run/containerized-mounter/namespaces/*/*s'
        : `umount ${mounterHome}/rootfs/sys`,
      async () => (await node.mounter('exec', '--', 'test', '-e', '/sys/kernel')).status === 0,
    ],
    ['a helper of mount(8)', 'rm /usr/sbin/mount.glusterfs', isThere],
    [
      'the rootfs',
      `rm $(realpath ${mounterHome}/rootfs)${helper}`,
      () => existsSync(`${node.path(mounterHome)}/${currentVersion(node)}${helper}`),
    ],
    [
      'the manifest',
      `echo x >${mounterHome}/rootfs-manifest.json`,
      () => node.read(`${mounterHome}/rootfs-manifest.json`).startsWith('{'),
    ],
  ] as const) {
    await node.shell(breaks);
    await until(`${what}: mended`, isWhole);
  }
  await agent.until(0, /^mounts would work$/m);
  setSettings(node, { ...withoutNfs, enabled: false });
  await agent.until(0, /^turned off$/m);
  t.false(isThere());
  setSettings(node, { ...withoutNfs, limits: { mountSeconds: 7 } });
  await until('turned on, with the setting', () => manifest().limits.mountSeconds === 7 && isThere());
  await agent.until(0, /^mounts would work$/m);
  setSettings(node, { ...withoutNfs, limits: { mountSeconds: 'long' } });
  await agent.until(1, /^\/etc\/containerized-mounter\/settings\.json: limits\.mountSeconds: .*\nhint: /);
  t.is(manifest().limits.mountSeconds, 7, 'the node stays as it is');
  const asBefore = node.read(`${mounterHome}/rootfs-manifest.json`);
  setSettings(node, { limits: { mountSeconds: 8 }, daemons: { rpcbind: { path: '/bin/sh' } } });
  await agent.until(
    1,
    /^\/etc\/containerized-mounter\/settings\.json: daemons\.rpcbind\.path: a ConfigMap may not/,
  );
  t.is(node.read(`${mounterHome}/rootfs-manifest.json`), asBefore, 'not even what is allowed in it');
  const { status, stdout, stderr } = await agent.end();
  t.is(status, 0);
  t.regex(
    stderr,
    /^not ready: .*settings\.json: daemons\.rpcbind\.path: a ConfigMap may not set this: .*\nhint: /m,
  );
  const lines = stdout.split('\n');
  const repeated = lines.filter((line, i) => line !== '' && line === lines[i - 1]);
  t.deepEqual(repeated, [], 'the same words are said once');
  t.deepEqual(node.processesOf('nsenter'), []);
});

test.serial('at rest it starts no program, and is not ready without it, or when it hangs', async (t) => {
  t.timeout(600_000);
  await using node = await nodeWithImage();
  const spec = await containerSpec();
  const agent = new RunningAgent(node, spec);
  await agent.until(0, /./);
  const run = `strace -f -qq -p ${agent.pid} -e trace=execve -e signal=none -o /tmp/trace & tracer=$!; sleep 12; kill $tracer; wait $tracer || true; cat /tmp/trace`;
  // A busy machine is long in its first rounds. Twice at rest: it starts nothing now and then, either.
  let [executed, timesAtRest] = ['', 0];
  for (let tries = 0; tries < 8 && timesAtRest < 2; tries += 1) {
    executed = await node.shell(run);
    timesAtRest = executed === '' ? timesAtRest + 1 : 0;
  }
  t.is(timesAtRest, 2, executed);
  const outcome = '/run/pod-scratch/outcome';
  let said = '';
  // As an agent that hangs leaves it; this one soon writes another.
  for (let tries = 0; tries < 20 && !said.includes('hangs'); tries += 1) {
    const late = node.read(outcome).replace(/^(\d+ \d+) \d+ 0\n/, '$1 0 0\n');
    await node.shell(`printf %s '${late}' >${outcome}`);
    said = (await agent.probe()).stdout;
  }
  t.regex(said, /^the node agent hangs: it has not looked at this node for \d+ s\n$/);
  await agent.until(0, /^mounts would work$/m);
  await agent.end('KILL');
  const { status, stdout } = await agent.probe();
  t.is(status, 1, 'what an earlier life of the container has left counts for nothing');
  t.regex(stdout, /^the node agent has ended or was started anew/);
});

test.serial('the metrics are kept, and say what the readiness does, of what no file shows too', async (t) => {
  await using node = await nodeWithImage();
  const directory = '/var/lib/prometheus/node-exporter';
  await node.shell(`mkdir -p ${directory}`);
  const file = `${directory}/mounter.prom`;
  const agent = new RunningAgent(node, await containerSpec('--metrics', file, '--interval', '50'));
  const text = () => (existsSync(node.path(file)) ? node.read(file) : '');
  const healthy = () => /^mounter_healthy (\d)$/m.exec(text())?.[1];
  const untilHealthy = async (wanted: string) => {
    const end = Date.now() + 60_000;
    while (healthy() !== wanted && Date.now() < end) await setTimeout(100);
    t.is(healthy(), wanted);
  };
  await agent.until(0, /^mounts would work$/m);
  await untilHealthy('1');
  await node.shell(`chmod 777 ${kubeletDirectory}`);
  await agent.until(1, /^\/var\/lib\/kubelet: others than root can write in it, .*; run chown root:root /);
  await untilHealthy('0');
  await node.shell(`chmod 750 ${kubeletDirectory}`);
  await agent.until(0, /^mounts would work$/m);
  await untilHealthy('1');
  setGate(node, 'removed');
  await agent.until(0, /^removed$/m);
  const end = Date.now() + 30_000;
  while (existsSync(node.path(file)) && Date.now() < end) await setTimeout(100);
  t.false(existsSync(node.path(file)), 'taken away');
  await agent.end();
});

test.serial('an upgrade and a roll back keep the volume that is mounted, and its daemon', async (t) => {
  await using server = await startGlusterServer({ volumes: ['v1'] });
  await using node = await nodeWithImage({ enterNetwork: server.enter });
  const spec = await containerSpec();
  t.is((await runOnce(node, spec)).status, 0);
  const first = currentVersion(node);
  const target = `${kubeletDirectory}/pods/v`;
  const mount = (at: string) =>
    node.shell(`mkdir -p ${at}; ${mounterHome}/mounter mount -t glusterfs ${server.address}:v1 ${at}`);
  await mount(target);
  await node.shell(`echo x >${target}/file`);
  const [daemon] = node.processesOf('glusterfs');
  await upgradeImage(node, 'upgraded');
  const upgrade = await runOnce(node, spec);
  t.is(upgrade.status, 0, upgrade.stderr);
  const second = currentVersion(node);
  t.not(second, first);
  await mount(`${target}-new`);
  t.is(await node.shell(`cat ${target}/file ${target}-new/file`), 'x\nx\n');
  t.true(node.processesOf('glusterfs').some(({ pid }) => pid === daemon?.pid));

  await node.shell('rm -r /tmp/container');
  await pullImage(node);
  const back = await runOnce(node, spec);
  t.is(back.status, 0, back.stderr);
  t.is(currentVersion(node), first);
  t.is(await node.shell(`cat ${target}/file ${target}-new/file`), 'x\nx\n');
  await node.shell(`umount ${target} ${target}-new`);
});

test.serial('the image says what is in it, and building it again gives the same digest', async (t) => {
  const first = readFileSync('dist/image-node-agent.json', 'utf8');
  // Elsewhere: others read that of dist meanwhile.
  const output = `${directoryOfThisProcess('image-again-')}/image`;
  const args = ['--allow-newer', '--quick', '--only=mounter-node-agent', '--output', output];
  await execa(process.execPath, ['scripts/image.ts', ...args], { timeout: 600_000 });
  t.is(readFileSync(`${output}-node-agent.json`, 'utf8'), first);
  const { digests } = JSON.parse(first);
  const blob = (digest: string) =>
    JSON.parse(readFileSync(`dist/image-node-agent/blobs/${digest.replace(':', '/')}`, 'utf8'));
  const config = blob(blob(digests.amd64).config.digest);
  t.deepEqual(config.config.Entrypoint, ['/usr/bin/mounter', 'node-agent']);
  t.regex(config.config.Labels['containerized-mounter.image.digest'], /^sha256:/);
  t.false(existsSync(`${output}-node-agent.unfinished`));
});
