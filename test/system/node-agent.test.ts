import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { startGlusterServer } from '../../scripts/gluster-server.ts';
import { kubeletDirectory, mounterHome, ScratchNode } from '../fixtures/namespace.ts';
import {
  buildNodeAgentImage,
  containerSpec,
  inContainer,
  probe,
  pullImage,
  runOnce,
  setSettings,
  upgradeImage,
} from '../fixtures/node-agent.ts';
import { currentVersion } from '../fixtures/rootfs-versions.ts';
import { makeSbinWritable } from '../fixtures/writable-sbin.ts';

/** The image and the DaemonSet's container of it, with the privileges of the manifest and no others. */

test.before('build the image', buildNodeAgentImage);

async function nodeWithImage(enterNetwork?: readonly string[]): Promise<ScratchNode> {
  const node = await ScratchNode.start(enterNetwork === undefined ? {} : { enterNetwork });
  try {
    setSettings(node, {});
    await pullImage(node);
    return node;
  } catch (error) {
    await node.dispose();
    throw error;
  }
}

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
  await using node = await nodeWithImage(server.enter);
  const spec = await containerSpec();
  t.is((await probe(node, spec)).status, 1, 'not ready before the first round');
  const first = await runOnce(node, spec);
  t.is(first.status, 0, first.stderr);
  t.regex(first.stdout, /^install: installed storage-tools sha256:/m);
  t.regex(first.stdout, /^prepare: prepared$/m);
  t.deepEqual((await probe(node, spec)).status, 0);
  const before = await stateOf(node);
  const second = await runOnce(node, spec);
  t.is(second.status, 0);
  t.regex(
    second.stdout,
    /^install: installed already: .*\nprepare: prepared already; nothing to do\nprune: /,
  );
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

test.serial('every capability of the manifest is needed', async (t) => {
  const spec = await containerSpec();
  const needed: string[] = [];
  for (const one of spec.securityContext.capabilities.add) {
    await using node = await nodeWithImage();
    const add = spec.securityContext.capabilities.add.filter((name) => name !== one);
    const { status } = await runOnce(node, { ...spec, securityContext: { capabilities: { add } } });
    if (status !== 0) needed.push(one);
  }
  t.deepEqual(needed, [...spec.securityContext.capabilities.add]);
});

test.serial('the agent keeps its node so, follows the settings, and ends at SIGTERM', async (t) => {
  await using node = await nodeWithImage();
  await makeSbinWritable(node);
  const spec = await containerSpec('--helpers', '--interval', '1');
  const running = node.run(inContainer(spec, spec.command));
  const until = async (what: string, isSo: () => boolean | Promise<boolean>) => {
    const end = Date.now() + 30_000;
    while (!(await isSo())) {
      if (Date.now() > end) return t.fail(`${what}: not within 30 s`);
      await setTimeout(50);
    }
    t.pass(what);
  };
  const helper = node.path('/usr/sbin/mount.nfs4');
  const isThere = () => readdirSync(node.path('/usr/sbin')).includes('mount.nfs4');
  const isReady = async () => (await probe(node, spec)).status === 0;
  const isEnabled = () => JSON.parse(node.read(`${mounterHome}/rootfs-manifest.json`)).enabled !== false;
  await until('ready', isReady);
  t.true(isThere(), helper);
  const isUsable = async () => (await node.mounter('exec', '--', 'test', '-e', '/sys/kernel')).status === 0;
  await node.shell(
    node.entriesPerVolume === 1
      ? 'umount /run/containerized-mounter/namespaces/*/*s'
      : `umount ${mounterHome}/rootfs/sys`,
  );
  await until('prepared again', isUsable);
  setSettings(node, { enabled: false });
  await until('turned off', () => !isEnabled() && !isThere());
  await until('still ready: it is meant to be off', isReady);
  setSettings(node, { limits: { mountSeconds: 7 } });
  await until('turned on, with the setting', () => isEnabled() && isThere());
  t.is(JSON.parse(node.read(`${mounterHome}/rootfs-manifest.json`)).limits.mountSeconds, 7);
  setSettings(node, { limits: { mountSeconds: 'long' } });
  await until('not valid: the node stays as it is, and is no longer ready', async () => !(await isReady()));
  t.is(JSON.parse(node.read(`${mounterHome}/rootfs-manifest.json`)).limits.mountSeconds, 7);
  const asBefore = node.read(`${mounterHome}/rootfs-manifest.json`);
  setSettings(node, { limits: { mountSeconds: 8 }, daemons: { rpcbind: { path: '/bin/sh' } } });
  await setTimeout(6000);
  t.is(node.read(`${mounterHome}/rootfs-manifest.json`), asBefore, 'not even what is allowed in it');
  t.false(await isReady());
  const [agent] = node.processesOf('mounter').filter(({ commandLine }) => !commandLine.includes('--check'));
  await node.shell(`kill -TERM ${agent?.pid}`);
  const { status, stdout, stderr } = await running;
  t.is(status, 0);
  t.regex(stderr, /settings\.json: limits\.mountSeconds: /);
  t.regex(stderr, /settings\.json: daemons\.rpcbind\.path: a ConfigMap may not set this: .*\nhint: /);
  const lines = stdout.split('\n');
  const repeated = lines.filter((line, i) => line !== '' && line === lines[i - 1]);
  t.deepEqual(repeated, [], 'the same words are said once');
  t.deepEqual(node.processesOf('nsenter'), []);
});

test.serial('an upgrade and a roll back keep the volume that is mounted, and its daemon', async (t) => {
  await using server = await startGlusterServer({ volumes: ['v1'] });
  await using node = await nodeWithImage(server.enter);
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
  t.is((await probe(node, spec)).status, 0);
  await mount(`${target}-new`);
  t.is(await node.shell(`cat ${target}/file ${target}-new/file`), 'x\nx\n');
  t.true(node.processesOf('glusterfs').some(({ pid }) => pid === daemon?.pid));

  await node.shell('rm -r /tmp/container');
  await pullImage(node);
  const back = await runOnce(node, spec);
  t.is(back.status, 0, back.stderr);
  t.is(currentVersion(node), first);
  t.is((await probe(node, spec)).status, 0);
  t.is(await node.shell(`cat ${target}/file ${target}-new/file`), 'x\nx\n');
  await node.shell(`umount ${target} ${target}-new`);
});

test.serial('--remove undoes it, and waits for volumes', async (t) => {
  await using node = await nodeWithImage();
  await makeSbinWritable(node);
  const before = node.mountinfo().length;
  t.is((await runOnce(node, await containerSpec('--helpers'))).status, 0);
  const target = await node.mountVolume('in-use');
  await node.mountGlusterfs('volume');
  const remove = await containerSpec('--remove');
  const refused = await runOnce(node, remove);
  t.not(refused.status, 0);
  t.regex(refused.stderr, /^teardown: status \d/m);
  t.is((await probe(node, remove)).status, 1);
  await node.shell(`umount ${kubeletDirectory}/pods/volume; umount ${target}`);
  const done = await runOnce(node, remove);
  t.is(done.status, 0, done.stderr);
  t.is((await probe(node, remove)).status, 0);
  t.is(node.mountinfo().length, before);
  t.false(readdirSync(node.path('/usr/sbin')).includes('mount.nfs'));
});

test.serial('the image says what is in it, and building it again gives the same digest', async (t) => {
  const read = () => readFileSync('dist/image-node-agent.json', 'utf8');
  const first = read();
  await buildNodeAgentImage();
  t.is(read(), first);
  const { digests } = JSON.parse(first);
  const blob = (digest: string) =>
    JSON.parse(readFileSync(`dist/image-node-agent/blobs/${digest.replace(':', '/')}`, 'utf8'));
  const config = blob(blob(digests.amd64).config.digest);
  t.deepEqual(config.config.Entrypoint, ['/usr/bin/mounter', 'node-agent']);
  t.regex(config.config.Labels['containerized-mounter.image.digest'], /^sha256:/);
  t.false(existsSync('dist/image-node-agent.unfinished'));
});
