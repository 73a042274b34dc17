import test from 'ava';
import { parseMountinfo } from '../../../src/host/mountinfo.ts';
import { mountsInOtherVersions } from '../../../src/prepare/retire.ts';

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
  const left = mountsInOtherVersions(versions, `${versions}/now`, [kubelet], entries);
  t.deepEqual(
    left.map(({ version, entry }) => [version, entry.mountId]),
    [
      [`${versions}/nowhere`, 8],
      [`${versions}/old`, 6],
      [`${versions}/old`, 3],
    ],
  );
});
