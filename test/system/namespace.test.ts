import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { startGlusterServer } from '../../scripts/gluster-server.ts';
import { parseMountinfo } from '../../src/host/mountinfo.ts';
import { daemonsOf, mount, newTarget, options, setting } from '../fixtures/gluster-node.ts';
import { kubeletDirectory, mounter, mounterHome, ScratchNode } from '../fixtures/namespace.ts';

/** The rootfs in a mount namespace of its own: one volume is one entry of the host's, and what breaks is made again. */

const namespace = { enter: 'namespace' } as const;
const pins = '/run/containerized-mounter/namespaces';
const already = 'prepared already; nothing to do\n';

async function entriesInside(node: ScratchNode): Promise<readonly string[]> {
  const text = await node.mustRun('exec', '--', 'cat', '/proc/self/mountinfo');
  return parseMountinfo(text).map(({ mountPoint }) => mountPoint);
}

const volumesOf = (mountPoints: readonly string[]) =>
  mountPoints.filter((path) => path.includes(`${kubeletDirectory}/pods/`));

/** Mounts from inside the rootfs, as a helper does, all by one mount(8). */
async function mountMany(node: ScratchNode, count: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, index) => index);
  const fstab = numbers.map((n) => `v${n} ${kubeletDirectory}/pods/v${n} tmpfs size=4k 0 0`).join('\n');
  await node.run(['tee', `${kubeletDirectory}/fstab`], { input: `${fstab}\n` });
  await node.shell(`cd ${kubeletDirectory}/pods; seq -f v%g 0 ${count - 1} | xargs mkdir -p`);
  await node.mustRun('exec', '--', 'mount', '--all', '--fstab', `${kubeletDirectory}/fstab`);
}

test.serial(
  '1, 100 and 5000 volumes are as many entries, on the host and in the rootfs, and none after',
  async (t) => {
    await using node = await ScratchNode.prepared(namespace);
    const before = node.mountinfo().length;
    const inside = (await entriesInside(node)).length;
    for (const count of [1, 100, 5000]) {
      // One more mount, which takes all away at once: 5000 umounts take minutes.
      await node.shell(`mkdir -p ${kubeletDirectory}/pods; mount -t tmpfs pods ${kubeletDirectory}/pods`);
      await mountMany(node, count);
      t.is(node.mountinfo().length, before + 1 + count);
      t.is((await entriesInside(node)).length, inside + 1 + count);
      t.is(await node.mustRun('prepare'), already);
      if (count <= 100) await node.shell(`umount ${kubeletDirectory}/pods/v*`);
      await node.shell(`umount -l ${kubeletDirectory}/pods`);
      t.is(node.mountinfo().length, before);
      t.is((await entriesInside(node)).length, inside, 'unmounted on the host is unmounted in the rootfs');
    }
  },
);

interface Container {
  readonly holder: ChildProcess;
  /** As the node numbers it. */
  readonly pid: string;
}

/** A container with the kubelet directory as a volume: a mount namespace that receives, or shares, what is mounted. */
async function container(node: ScratchNode, propagation: 'rslave' | 'rshared'): Promise<Container> {
  const script = `mount --make-${propagation} ${kubeletDirectory} && echo $$ && exec cat`;
  const unshare = ['unshare', '--mount', '--propagation=unchanged', 'sh', '-c', script];
  const holder = spawn('nsenter', [...node.enter, ...unshare], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [pid] = await once(holder.stdout, 'data');
  return { holder, pid: String(pid).trim() };
}

const mountedIn = (node: ScratchNode, { pid }: Container) =>
  volumesOf(parseMountinfo(node.read(`/proc/${pid}/mountinfo`)).map(({ mountPoint }) => mountPoint));

test.serial(
  'containers: HostToContainer sees volumes come and go, Bidirectional mounts for all',
  async (t) => {
    await using node = await ScratchNode.prepared(namespace);
    const [receiver, sharer] = [await container(node, 'rslave'), await container(node, 'rshared')];
    const volume = await node.mountVolume('one');
    for (const one of [receiver, sharer]) t.deepEqual(mountedIn(node, one), [volume]);
    const theirs = `${kubeletDirectory}/pods/theirs`;
    await node.shell(
      `mkdir ${theirs}; nsenter --mount=/proc/${sharer.pid}/ns/mnt mount -t tmpfs theirs ${theirs}`,
    );
    t.is(node.entriesOf(theirs).length, 1);
    t.true((await entriesInside(node)).includes(theirs), 'a CSI driver’s mounts are in the rootfs as well');
    t.deepEqual(mountedIn(node, receiver), [volume, theirs]);
    await node.shell(`umount ${volume} ${theirs}`);
    for (const one of [receiver, sharer]) t.deepEqual(mountedIn(node, one), []);
    t.deepEqual(volumesOf(await entriesInside(node)), []);
    for (const { holder } of [receiver, sharer]) {
      holder.stdin?.end();
      await once(holder, 'exit');
    }
  },
);

test.serial(
  'a kubelet in a container of its own: its volumes are the host’s, and gone when it unmounts them',
  async (t) => {
    await using s = await setting('namespace');
    const { node, source } = s;
    const kubelet = await container(node, 'rshared');
    const inContainer = (...argv: readonly string[]) =>
      node.run(['nsenter', `--mount=/proc/${kubelet.pid}/ns/mnt`, ...argv]);
    t.is((await inContainer('sh', '-c', `stat -f -c %T ${pins}/* | grep nsfs`)).status, 1, 'it sees no pin');
    const target = await newTarget(node);
    const call = [`${mounterHome}/mounter`, 'mount', '-t', 'glusterfs', '-o', options, source, target];
    for (let round = 0; round < 2; round += 1) {
      const { status, stderr } = await inContainer(...call);
      t.is(status, 0, stderr);
      t.is(node.entriesOf(target).length, 1);
      t.deepEqual(mountedIn(node, kubelet), [target]);
      t.deepEqual(volumesOf(await entriesInside(node)), [target]);
      await node.shell(`echo ${round} >${target}/file`);
      t.is(readFileSync(`${s.server.brickPath('v1')}/file`, 'utf8'), `${round}\n`);
      t.is((await inContainer('umount', target)).status, 0);
      t.deepEqual(volumesOf(await entriesInside(node)), []);
      while (daemonsOf(target).length > 0) await sleep(20);
      t.deepEqual(node.entriesOf(target), []);
    }
    kubelet.holder.stdin?.end();
    await once(kubelet.holder, 'exit');
  },
);

test.serial('20 prepares are one namespace; on whichever processor it is made', async (t) => {
  await using node = await ScratchNode.installed(namespace);
  for (const processor of ['0', '1']) {
    const ran = await node.run(['taskset', '-c', processor, mounter, 'prepare']);
    t.is(ran.status, 0, ran.stderr);
    const mountinfo = node.mountinfo();
    for (let again = 1; again < 20; again += 1) t.is(await node.mustRun('prepare'), already);
    t.deepEqual(node.mountinfo(), mountinfo);
    t.is(readdirSync(node.path(pins)).length, 1);
    await node.mustRun('teardown');
    t.is((await node.run(['test', '-e', pins])).status, 1);
    t.is((await node.run(['test', '-L', `${mounterHome}/rootfs/.mounter-namespace`])).status, 1);
  }
});

/** What a mount says about it; nothing where GlusterFS can do without. */
const breakages: readonly (readonly [what: string, how: string, says: RegExp | undefined])[] = [
  ['the pin is gone', `umount ${pins}/*`, /has no mount namespace to enter/],
  ['the directory of the pins is gone', `umount -l ${pins}`, /has no mount namespace to enter/],
  [
    'the link is gone',
    `rm ${mounterHome}/rootfs/.mounter-namespace`,
    /not in the rootfs\nhint: run mounter prepare/,
  ],
  ['the kubelet directory was made private', `mount --make-private ${kubeletDirectory}`, /did not appear/],
  ['the kubelet directory was unmounted', `umount ${kubeletDirectory}`, /did not appear/],
  [
    'the kubelet directory is another one',
    `umount ${kubeletDirectory}; mount -t tmpfs -o mode=755 other ${kubeletDirectory}; mkdir -p TARGET`,
    /did not appear/,
  ],
  ['its own kubelet directory is gone', `${mounter} exec -- umount ${kubeletDirectory}`, /does not see/],
  ['its /proc is gone', `${mounter} exec -- umount -l /proc`, undefined],
];

test.serial('whatever is broken is seen by a mount and by status, and made again by prepare', async (t) => {
  await using server = await startGlusterServer({ volumes: ['v1'] });
  for (const [what, how, says] of breakages) {
    await using node = await ScratchNode.prepared({ ...namespace, enterNetwork: server.enter });
    const target = await newTarget(node);
    await node.shell(how.replace('TARGET', target));
    t.is((await node.mounter('status')).status, 1, what);
    const { status, stderr } = await mount(node, `${server.address}:v1`, target, 'log-level=ERROR');
    if (says === undefined) {
      t.is(status, 0, `${what}: ${stderr}`);
      await node.shell(`umount ${target}`);
      while (daemonsOf(target).length > 0) await sleep(20);
    } else {
      t.not(status, 0, what);
      t.regex(stderr, says, what);
    }
    t.deepEqual(node.entriesOf(target), [], what);
    t.deepEqual(daemonsOf(target), [], what);
    t.regex(await node.mustRun('prepare'), /\nprepared\n$/, what);
    t.is(await node.mustRun('prepare'), already, what);
    t.is((await node.mounter('status')).status, 0, what);
    await node.shell(`mkdir -p ${target}`);
    const again = await mount(node, `${server.address}:v1`, target, 'log-level=ERROR');
    t.is(again.status, 0, `${what}: ${again.stderr}`);
    t.is(node.entriesOf(target).length, 1, what);
    t.is(readdirSync(node.path(pins)).length, 1, what);
    await node.shell(`umount ${target}`);
  }
});

test.serial(
  'chroot to namespace and back, with a volume: its daemon goes on, and no entry is left',
  async (t) => {
    await using s = await setting('chroot');
    const { node } = s;
    const write = async (target: string, text: string) => {
      await node.shell(`echo ${text} >${target}/file`);
      t.is(readFileSync(`${s.server.brickPath('v1')}/file`, 'utf8'), `${text}\n`);
    };
    const [target, later] = [await newTarget(node), await newTarget(node)];
    t.is((await mount(node, s.source, target)).status, 0);
    const daemons = daemonsOf(target);
    for (const enter of ['namespace', 'chroot', 'namespace'] as const) {
      await node.setEnter(enter);
      t.is((await node.mounter('status')).status, 1, 'not prepared in that way yet');
      t.is((await mount(node, s.source, later)).status, 0, 'entered as before');
      await node.shell(`umount ${later}`);
      await node.mustRun('prepare');
      t.is(await node.mustRun('prepare'), already);
      t.is((await node.mounter('status')).status, 0);
      t.is(node.entriesOf(target).length, node.entriesPerVolume);
      await write(target, enter);
      t.deepEqual(daemonsOf(target), daemons, 'the same daemons');
      t.is((await mount(node, s.source, later)).status, 0);
      t.is(node.entriesOf(later).length, node.entriesPerVolume);
      await write(later, `${enter}-later`);
      await node.shell(`umount ${later}`);
    }
    t.deepEqual(
      node.mountinfo().filter(({ mountPoint }) => mountPoint.startsWith(mounterHome)),
      [],
    );
    await node.shell(`umount ${target}`);
    while (daemonsOf(target).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await node.mustRun('teardown');
    t.deepEqual(node.processes(), []);
  },
);

test.serial('a host without nsenter(1) is told what else there is', async (t) => {
  await using node = await ScratchNode.installed(namespace);
  await node.shell('mount --bind /dev/null $(command -v nsenter)');
  const { status, stderr } = await node.mounter('prepare');
  t.is(status, 2);
  t.regex(stderr, /^mounter: nsenter: the host has no nsenter\(1\).*\nhint: .*"enter": "chroot" in /);
  await node.setEnter('chroot');
  await node.mustRun('prepare');
  t.is((await node.mounter('status')).status, 0);
});
