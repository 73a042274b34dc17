import test from 'ava';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import { volumesBelow } from '../../../src/volumes/volumes.ts';

const entries = parseMountinfo(`1 0 8:1 / / rw shared:1 - ext4 /dev/sda rw
2 1 8:1 /k /var/lib/kubelet rw shared:2 - ext4 /dev/sda rw
3 1 8:1 /k /home/m/versions/a/var/lib/kubelet rw shared:2 - ext4 /dev/sda rw
4 2 0:5 / /var/lib/kubelet/pods/a rw shared:3 - nfs4 s:/a rw
5 3 0:5 / /home/m/versions/a/var/lib/kubelet/pods/a rw shared:3 - nfs4 s:/a rw
6 2 0:6 / /var/lib/kubelet/pods/a/b rw shared:4 - fuse.glusterfs s:b rw
7 2 0:7 / /var/lib/kubelet/pods/token rw shared:5 - tmpfs tmpfs rw
8 1 0:8 / /var/lib/kubelet-other/a rw shared:6 - nfs4 s:/o rw`);

test('network volumes below the directory, with what each costs', (t) => {
  t.deepEqual(volumesBelow({ host: '/var/lib/kubelet', rootfs: '/var/lib/kubelet' }, entries), [
    { source: 's:/a', target: '/var/lib/kubelet/pods/a', fstype: 'nfs4', entries: 2 },
    { source: 's:b', target: '/var/lib/kubelet/pods/a/b', fstype: 'fuse.glusterfs', entries: 1 },
  ]);
});

test('a directory that has another name on the host', (t) => {
  const moved = entries.map((entry) => ({
    ...entry,
    mountPoint: entry.mountPoint.replace(/^\/var\/lib\/kubelet/, '/data/k'),
  }));
  t.deepEqual(
    volumesBelow({ host: '/data/k', rootfs: '/var/lib/kubelet' }, moved).map((volume) => volume.entries),
    [2, 1],
  );
});
