import test from 'ava';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import { oldViews } from '../../../src/rootfs/old-views.ts';
import { processesIn } from '../../../src/rootfs/root-processes.ts';
import { HostModel } from '../../fixtures/host-model.ts';

const versions = '/home/m/versions';
const kubelet = '/var/lib/kubelet';

test('the kubelet directory in other versions, and nothing else of theirs', (t) => {
  const entries = parseMountinfo(
    [
      '1 0 8:1 / / rw shared:1 - ext4 /dev/sda rw',
      `2 1 8:1 ${kubelet} ${kubelet} rw shared:2 - ext4 /dev/sda rw`,
      `3 1 8:1 ${kubelet} ${versions}/old${kubelet} rw shared:2 - ext4 /dev/sda rw`,
      `4 3 0:9 / ${versions}/old${kubelet}/pods/v rw shared:9 - nfs4 s:/e rw`,
      `5 1 0:5 / ${versions}/old/proc rw - proc proc rw`,
      `6 3 8:1 ${kubelet} ${versions}/old${kubelet} rw shared:2 - ext4 /dev/sda rw`,
      `7 1 8:1 ${kubelet} ${versions}/now${kubelet} rw shared:2 - ext4 /dev/sda rw`,
      `8 1 8:1 ${kubelet} ${versions}/nowhere${kubelet} rw shared:2 - ext4 /dev/sda rw`,
    ].join('\n'),
  );
  const views = oldViews({ versions, root: `${versions}/now`, paths: [kubelet] }, entries);
  t.deepEqual(
    views.map(({ version, entry }) => [version, entry.mountId]),
    [
      [`${versions}/nowhere`, 8],
      [`${versions}/old`, 6],
      [`${versions}/old`, 3],
    ],
  );
});

test('a process is in a directory by its root, whatever its namespace calls it', (t) => {
  const host = new HostModel().directory(`${versions}/a`, `${versions}/b`);
  const process = (pid: number, root: string) => ({ pid, root, commandLine: ['x'], isInOurNetwork: true });
  const processes = [
    process(1, '/'),
    process(2, `${versions}/a`),
    process(3, '/'),
    process(4, `${versions}/a/inner`),
    process(5, `${versions}/b`),
  ];
  host.sameFile(`${versions}/a`, '/proc/2/root/.').sameFile(`${versions}/a`, '/proc/3/root/.');
  host.sameFile(`${versions}/b`, '/proc/5/root/.');
  const pids = (directory: string) => processesIn(host, directory, processes).map(({ pid }) => pid);
  t.deepEqual(pids(`${versions}/a`), [2, 3, 4]);
  t.deepEqual(pids(`${versions}/b`), [5]);
});
