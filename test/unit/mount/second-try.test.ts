import test from 'ava';
import { withOption } from '../../../src/mount/failure/second-try.ts';
import { glusterfs } from '../../../src/mount/filesystems/glusterfs/glusterfs.ts';
import { nfs } from '../../../src/mount/filesystems/nfs/nfs.ts';

for (const [driver, source, options, expected] of [
  [nfs, 'srv:/x', 'vers=4', ['-o', 'vers=4,proto=tcp']],
  [nfs, 'srv:/x', '_netdev', ['-o', 'proto=tcp']],
  [nfs, 'srv:/x', '', ['-o', 'proto=tcp']],
  [glusterfs, 'srv:vol', '', ['-o', 'log-file=/var/log/glusterfs/m.log,proto=tcp']],
] as const)
  test(`an option more for ${driver.kind} with "${options}": one list, at the end`, (t) => {
    const argv = driver.helperArgv('/sbin/helper', {
      fstype: driver.kind,
      source,
      target: '/m',
      options,
      helperFlags: [],
      isFake: false,
    });
    t.deepEqual(withOption(argv, 'proto=tcp').slice(3), expected);
  });
