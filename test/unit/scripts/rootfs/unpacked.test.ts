import { mkdirSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { UnpackedTree } from '../../../../scripts/rootfs/unpacked.ts';
import { directoryOfThisProcess } from '../../../support/node/process-directory.ts';

test('a file that is in none of the packages is named with one that is like it', async (t) => {
  const root = directoryOfThisProcess('unpacked-');
  mkdirSync(`${root}/usr/sbin`, { recursive: true });
  for (const name of ['mount.ceph', 'rpcbind']) writeFileSync(`${root}/usr/sbin/${name}`, '');
  const tree = new UnpackedTree(root);
  for (const [path, begin] of [
    ['usr/sbin/mount.cehp', 'did you mean usr/sbin/mount.ceph? Else add its package'],
    ['usr/sbin/xyz', 'add its package'],
    ['usr/sbim/rpcbind', 'add its package'],
  ] as const) {
    const error = await t.throwsAsync(tree.take(path, 'rootfs.files'));
    t.like(error, { subject: path, message: 'rootfs.files: is in none of the packages' });
    t.true((error as { hint?: string }).hint?.startsWith(begin), JSON.stringify(error));
  }
});
