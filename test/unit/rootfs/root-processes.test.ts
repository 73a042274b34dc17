import test from 'ava';
import type { ProcessInformation } from '../../../src/host/host.ts';
import { kubeletViewDirectory } from '../../../src/rootfs/kubelet-chroot.ts';
import { processesIn, processesOfViews } from '../../../src/rootfs/root-processes.ts';
import { HostModel, ownMounts } from '../../support/model/host-model.ts';

const versions = '/home/m/versions';

const mounts = [
  '1 0 8:1 / / rw shared:1 - ext4 /dev/sda rw',
  `2 1 8:2 /deep /home rw shared:2 - ext4 /dev/sdb rw`,
  `3 1 8:2 /deep/m/versions /mnt/bound rw - ext4 /dev/sdb rw`,
].join('\n');

/** Asked for the attributes of a process's root directory, it does not answer; no more than a dead server does. */
class NodeModel extends HostModel {
  override stat = (path: string) => {
    throw new Error(`hangs: ${path}`);
  };
}

function node(): HostModel {
  const host = new NodeModel().directory(versions, `${versions}/a`, `${versions}/b`);
  host.texts.set('/proc/self/mountinfo', mounts);
  return host;
}

const process = (pid: number, root: string | undefined, mountNamespace: string): ProcessInformation => ({
  pid,
  name: 'x',
  executable: undefined,
  root,
  mountNamespace,
  isInOurNetwork: true,
});

const pidsIn = (host: HostModel, directory: string, processes: readonly ProcessInformation[]) =>
  processesIn(host, [directory], processes).map(({ pid }) => pid);

test('in our mount namespace a directory is known by its name, or by another name of it', (t) => {
  const processes = [
    process(1, '/', ownMounts),
    process(2, `${versions}/a`, ownMounts),
    process(3, `${versions}/a/inner`, ownMounts),
    process(4, `${versions}/ab`, ownMounts),
    process(5, '/mnt/bound/a', ownMounts),
    process(6, `${versions}/b`, ownMounts),
    process(7, '/home', ownMounts),
  ];
  t.deepEqual(pidsIn(node(), `${versions}/a`, processes), [2, 3, 5]);
  t.deepEqual(pidsIn(node(), `${versions}/b`, processes), [6]);
  t.deepEqual(pidsIn(node(), versions, processes), [2, 3, 4, 5, 6]);
  t.deepEqual(pidsIn(node(), `${versions}/missing`, processes), []);
});

for (const [title, mountinfo, expected] of [
  ['the version is its root', '9 8 8:2 /deep/m/versions/a / rw - ext4 /dev/sdb rw', [7]],
  ['a directory in the version is', '9 8 8:2 /deep/m/versions/a/inner / rw - ext4 /dev/sdb rw', [7]],
  ['another version is', '9 8 8:2 /deep/m/versions/b / rw - ext4 /dev/sdb rw', []],
  ['the same path of another filesystem is', '9 8 8:3 /deep/m/versions/a / rw - ext4 /dev/sdc rw', []],
  [
    'two are mounted there, and the upper one is',
    '9 8 8:3 / / rw - ext4 /dev/sdc rw\n10 9 8:2 /deep/m/versions/a / rw - ext4 /dev/sdb rw',
    [7],
  ],
  [
    'only what lies below is mounted: no name tells',
    '9 8 8:2 /deep/m/versions/a /x rw - ext4 /dev/sdb rw',
    [],
  ],
] as const) {
  test(`in another mount namespace: ${title}`, (t) => {
    const host = node();
    host.texts.set('/proc/7/mountinfo', `${mountinfo}\n`);
    t.deepEqual(pidsIn(host, `${versions}/a`, [process(7, '/', 'mnt:[2]')]), [...expected]);
  });
}

test('a container that has a directory of that name is not in the version', (t) => {
  const host = node();
  host.texts.set('/proc/7/mountinfo', `9 8 0:50 ${versions}/a / rw - overlay overlay rw\n`);
  t.deepEqual(pidsIn(host, `${versions}/a`, [process(7, `${versions}/a`, 'mnt:[2]')]), []);
});

test('after chroot(2) in another namespace, the name counts with a directory of the host in there', (t) => {
  const host = node();
  const hostDev = '4 1 0:6 / /dev rw - devtmpfs udev rw';
  host.texts.set('/proc/self/mountinfo', `${mounts}\n${hostDev}`);
  for (const pid of [7, 8])
    host.texts.set(`/proc/${pid}/mountinfo`, '9 8 0:6 / /dev rw - devtmpfs udev rw\n');
  const processes = [process(7, `${versions}/a`, 'mnt:[2]'), process(8, `${versions}/b`, 'mnt:[2]')];
  t.deepEqual(pidsIn(host, `${versions}/a`, processes), [7]);
});

for (const [title, mountinfo] of [
  ['nothing mounted in there', ''],
  ['a /dev of its own', '9 8 0:77 / /dev rw - tmpfs tmpfs rw\n'],
  ["a directory of the host's /dev", '9 8 0:6 /shm /dev rw - devtmpfs udev rw\n'],
  ["the host's /dev elsewhere", '9 8 0:6 / /volume rw - devtmpfs udev rw\n'],
] as const) {
  test(`a container that called chroot(2) into a directory of that name is not in the version: ${title}`, (t) => {
    const host = node();
    host.texts.set('/proc/self/mountinfo', `${mounts}\n4 1 0:6 / /dev rw - devtmpfs udev rw`);
    host.texts.set('/proc/7/mountinfo', mountinfo);
    t.deepEqual(pidsIn(host, `${versions}/a`, [process(7, `${versions}/a`, 'mnt:[2]')]), []);
  });
}

test('processes that show no root directory are nowhere', (t) => {
  t.deepEqual(pidsIn(node(), versions, [{ ...process(7, undefined, ownMounts) }]), []);
});

test('a thousand processes of one container: its mounts are read once', (t) => {
  const host = node();
  let reads = 0;
  const readText = host.readText;
  host.readText = (path) => {
    reads += 1;
    return readText(path);
  };
  const processes = Array.from({ length: 1000 }, (_, index) => process(index + 2, '/', 'mnt:[2]'));
  host.texts.set('/proc/2/mountinfo', '9 8 0:50 / / rw - overlay overlay rw\n');
  t.deepEqual(pidsIn(host, versions, processes), []);
  t.true(reads <= 2, `${reads} files`);
});

for (const [title, root, foreign] of [
  ['a filesystem of its own', '/', '/@'],
  ['a subvolume of btrfs', '/@', '/'],
])
  test(`a kubelet in an image is found by its view on a node whose root directory is ${title}`, (t) => {
    const host = new NodeModel();
    const mountsWith = (directory: string | undefined, view: string) =>
      `1 0 0:30 ${directory} / rw - btrfs /dev/sda rw\n2 1 0:31 / ${view} rw - tmpfs tmpfs rw\n`;
    host.texts.set('/proc/self/mountinfo', mountsWith(root, '/elsewhere'));
    host.texts.set('/proc/7/mountinfo', mountsWith(root, kubeletViewDirectory));
    host.texts.set('/proc/8/mountinfo', mountsWith(foreign, kubeletViewDirectory));
    const found = processesOfViews(host, [process(7, '/', 'mnt:[2]'), process(8, '/', 'mnt:[3]')]);
    t.deepEqual(
      found.map(({ pid }) => pid),
      [7],
    );
  });
