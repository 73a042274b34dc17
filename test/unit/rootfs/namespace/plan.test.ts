import test from 'ava';
import { type MountEntry, parseMountinfo } from '../../../../src/host/mountinfo.ts';
import type { ManifestMount } from '../../../../src/rootfs/manifest.ts';
import { planMountPoint, planNamespaceRoot, planPins } from '../../../../src/rootfs/namespace/plan.ts';

const root = '/home/m/versions/abc';
const slash = '1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda rw';

function mounts(...lines: readonly string[]): readonly MountEntry[] {
  return parseMountinfo([slash, ...lines].join('\n'));
}

test('the rootfs becomes a private mount on a private parent', (t) => {
  t.deepEqual(planNamespaceRoot(root, mounts()), [
    { kind: 'propagation', to: '/', propagation: 'private' },
    { kind: 'bind', from: root, to: root, isRecursive: false, propagation: 'private' },
  ]);
});

test('the parent is the filesystem that holds the rootfs; where that is noexec, the rootfs is not', (t) => {
  const disk = '2 1 0:9 / /home/m rw,nosuid,noexec,noatime shared:2 - xfs /dev/sdb rw';
  t.deepEqual(planNamespaceRoot(root, mounts(disk)), [
    { kind: 'propagation', to: '/home/m', propagation: 'private' },
    { kind: 'bind', from: root, to: root, isRecursive: false, propagation: 'private' },
    { kind: 'remount', to: root, options: 'nosuid,noatime,exec' },
  ]);
});

/** As when nothing is mounted in the rootfs yet. */
function planned(mount: Partial<ManifestMount>, ...lines: readonly string[]) {
  const source = mount.host ?? '/var/lib/kubelet';
  const whole: ManifestMount = {
    rootfs: source,
    type: 'rbind',
    access: 'rw',
    propagation: 'shared',
    optional: false,
    ...mount,
    host: source,
  };
  const target = `${root}${whole.rootfs}`;
  const observed = { mount: whole, source, target, isSame: false };
  return planMountPoint(observed, mounts(...lines));
}

const kubelet = '3 1 8:1 /var/lib/kubelet /var/lib/kubelet rw,nodev,relatime shared:3 - ext4 /dev/sda rw';

test('no symlink is followed in what is shared, and the flags of the host stay', (t) => {
  t.deepEqual(planned({}, kubelet).at(-1), {
    kind: 'remount',
    to: `${root}/var/lib/kubelet`,
    options: 'nodev,relatime,nosymfollow',
  });
});

test('shared and read-only at once is read-only', (t) => {
  const last = planned({ access: 'ro' }, kubelet).at(-1);
  t.true(last?.kind === 'remount' && last.options.split(',').includes('ro'), JSON.stringify(last));
});

test('in what is private, symlinks are followed', (t) => {
  const actions = planned({ host: '/proc', rootfs: '/proc', propagation: 'private' });
  t.false(JSON.stringify(actions).includes('nosymfollow'), JSON.stringify(actions));
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
