import test from 'ava';
import { type MountEntry, parseMountinfo } from '../../../../src/host/mountinfo.ts';
import { planNamespaceRoot, planPins } from '../../../../src/prepare/mounts.ts';

const root = '/home/m/versions/abc';
const slash = '1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw';

function mounts(...lines: readonly string[]): readonly MountEntry[] {
  return parseMountinfo([slash, ...lines].join('\n'));
}

test('the rootfs becomes a private mount of its own', (t) => {
  t.deepEqual(planNamespaceRoot(root, mounts()), [
    { kind: 'bind', from: root, to: root, isRecursive: false, propagation: 'private' },
  ]);
});

test('where the filesystem that holds it is noexec, it is not', (t) => {
  const disk = '2 1 0:9 / /home/m rw,nosuid,noexec,noatime shared:2 - xfs /dev/sdb rw';
  t.deepEqual(planNamespaceRoot(root, mounts(disk)), [
    { kind: 'bind', from: root, to: root, isRecursive: false, propagation: 'private' },
    { kind: 'remount', to: root, options: 'nosuid,noatime,exec' },
  ]);
});

const directory = '/run/containerized-mounter/namespaces';
const run = '4 1 0:20 / /run rw,nosuid shared:4 - tmpfs tmpfs rw';

test('namespaces are pinned on a mount that nobody gets a copy of: made, kept, or made so again', (t) => {
  const bind = { kind: 'bind', from: directory, to: directory, isRecursive: false, propagation: 'private' };
  const unbindable = { kind: 'propagation', to: directory, propagation: 'unbindable' };
  t.deepEqual(planPins(directory, mounts(run)), [bind, unbindable] as never);
  const own = `5 4 0:20 ${directory.slice(4)} ${directory} rw,nosuid - tmpfs tmpfs rw`;
  t.deepEqual(planPins(directory, mounts(run, own.replace(' - ', ' unbindable - '))), []);
  for (const field of ['', 'shared:4 ', 'master:4 '])
    t.deepEqual(planPins(directory, mounts(run, own.replace(' - ', ` ${field}- `))), [unbindable] as never);
});
