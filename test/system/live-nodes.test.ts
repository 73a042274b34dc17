import test, { type ExecutionContext } from 'ava';
import type { MountEntry } from '../../src/host/mountinfo.ts';
import { everyNth } from '../support/long-run.ts';
import { type EnterMode, enterModes } from '../support/node/enter-mode.ts';
import { everyVolume, LiveNode, type LiveShape } from '../support/node/live-node.ts';
import { mounter, rootfsTar, type ScratchNode } from '../support/node/namespace.ts';
import { mountNfs, placeHelper, targetOf } from '../support/node/tmpfs-helper.ts';

/**
 * The whole life of the mounter on nodes that are in use: not one Pod notices, a volume is one entry of the host's
 * table (two with chroot), and nothing is left.
 */

const plain: LiveShape = {
  root: 'shared',
  kubelet: 'a directory',
  home: 'a directory',
  volumes: everyVolume,
};

const directories = [
  ...(['a directory', 'own group', 'bound on itself', 'made rshared', 'private mount'] as const),
  ...(['slave mount', 'tmpfs', 'symlink', 'below a mount', 'pods on a disk'] as const),
];

const shapes: readonly LiveShape[] = [
  ...(['shared', 'private', 'slave'] as const).flatMap((root) =>
    directories.map((kubelet) => ({ ...plain, root, kubelet })),
  ),
  ...(['own mount', 'noexec'] as const).flatMap((home) => [
    { ...plain, home },
    { ...plain, home, root: 'private' as const, kubelet: 'own group' as const },
  ]),
  { ...plain, volumes: [] },
  { ...plain, volumes: ['500 Pods'] },
  { ...plain, root: 'private', kubelet: 'tmpfs', volumes: ['500 Pods'] },
];

for (const enter of enterModes)
  for (const shape of everyNth(9, shapes, enter === 'attach' ? 0 : 3))
    test.serial(
      `${enter}, / ${shape.root}, kubelet directory: ${shape.kubelet}, home: ${shape.home}, ${describeVolumes(shape)}`,
      async (t) => {
        await lives(t, enter, shape);
      },
    );

function describeVolumes({ volumes }: LiveShape): string {
  return volumes === everyVolume ? 'every kind of volume' : (volumes[0] ?? 'no volume');
}

async function lives(t: ExecutionContext, enter: EnterMode, shape: LiveShape): Promise<void> {
  await using live = await LiveNode.start(shape);
  const { node } = live;
  const bare = live.mounts();
  const own = await entriesOfHostsOwn(node);
  // What an install does depends on / and home; in the other directories it would come to the same.
  if (shape.kubelet === 'a directory' || shape.home !== 'a directory')
    await node.mustRun('install', rootfsTar);
  else await node.becomeInstalled();
  await node.setEnter(enter);
  placeHelper(node);
  const undisturbed = (when: string) => t.deepEqual(live.disturbed(), [], when);
  undisturbed('install');

  const began = performance.now();
  await prepare(t, live, enter);
  const seconds = (performance.now() - began) / 1000;
  undisturbed('prepare');
  if (enter === 'attach') t.deepEqual(live.mounts().filter(isNotOurs), bare.filter(isNotOurs));
  const prepared = live.mounts().length;

  const target = targetOf(node, 'ours');
  const { status, stderr } = await mountNfs(node, 'server:/export', target);
  t.is(status, 0, stderr);
  const volume = node.entriesOf('/kubernetes.io~nfs/volume').length;
  await node.shell(`umount ${target}`);
  t.is(live.mounts().length, prepared, 'unmounted on the host is unmounted in the rootfs');
  t.is(volume, own + (enter === 'attach' ? 0 : 1), 'entries of a volume');

  t.is(await node.shell(`${mounter} prepare`), 'prepared already; nothing to do\n');
  undisturbed('mount, umount, and prepare again');
  await node.shell(`${mounter} teardown`);
  undisturbed('teardown');
  t.is(live.mounts().length, bare.length, 'after teardown');

  await node.shell(`${mounter} prepare`);
  undisturbed('prepare after teardown');
  const { pods, wrong } = await live.end();
  t.deepEqual(wrong, [], `${pods} Pods that came and went`);
  t.true(pods > 100, 'and they were many');
  t.deepEqual(await live.unmountPods(), [], 'Pods that go, go everywhere');
  t.log(
    `entries ${bare.length}, prepared ${prepared}, a volume ${volume}; ${seconds.toFixed(2)} s; disturbed ${wrong.length} of ${pods} Pods`,
  );
}

/** What a volume costs that the host's own mount(8) mounts: two where the directory is bound in the group of its parent. */
async function entriesOfHostsOwn(node: ScratchNode): Promise<number> {
  const target = targetOf(node, 'own');
  await node.shell(`mount -t tmpfs own ${target}`);
  const { length } = node.entriesOf('/own/volumes/kubernetes.io~nfs/volume');
  await node.shell(`umount ${target}`);
  return length;
}

function isNotOurs({ mountPoint }: MountEntry): boolean {
  return !/containerized.mounter/.test(mountPoint);
}

/** Where chroot would hide volumes, it says what to do: that helps. */
async function prepare(t: ExecutionContext, { node }: LiveNode, enter: EnterMode): Promise<void> {
  const { status, stderr } = await node.run([mounter, 'prepare']);
  if (status === 0) return;
  t.is(enter, 'chroot', stderr);
  const [, advice = ''] =
    /\nhint: run (mount --make-rshared \S+), or prepare before kubelet starts\n$/.exec(stderr) ?? [];
  t.not(advice, '', stderr);
  t.log(`refused at first; ${advice}`);
  await node.shell(advice);
  await node.shell(`${mounter} prepare`);
}
