import { cp, mkdir, readFile } from 'node:fs/promises';
import test from 'ava';
import { execa } from 'execa';
import { takeLock } from '../support/guest/lock.ts';
import {
  type Call,
  entriesOf,
  entriesPerVolume,
  home,
  kubeletDirectory,
  mounter,
  newTarget,
} from '../support/guest/node.ts';
import { rpcProcesses } from '../support/guest/rpc.ts';
import { vmNode } from '../support/guest/vm-node.ts';

/** Real NFS from inside a kubelet's root: by the mounter, and by the image's own tools. */

const { server } = vmNode(test);

const root = '/var/lib/containerized-mounter/kubelet';
const libraries = '/usr/lib/x86_64-linux-gnu';

test.serial.before(async () => {
  const { status, output } = await mounter('install', '/host/dist/rootfs.tar.zst', '--into', root);
  if (status !== 0) throw new Error(output);
  // What an image with a whole glibc has; the mounter is linked with it.
  await mkdir(`${root}${libraries}`, { recursive: true });
  for (const name of ['libpthread.so.0', 'libdl.so.2', 'libm.so.6'])
    await cp(`${libraries}/${name}`, `${root}${libraries}/${name}`, { dereference: true });
});

test.after.always(() => mounter('teardown', '--unmount-volumes'));

const inKubelet = (script: string): Promise<Call> => mounter('kubelet', '--', '/bin/sh', '-euc', script);

test.serial('NFSv3 with locks, by the mounter that the kubelet calls', async (t) => {
  const target = await newTarget();
  const source = `${server.address}:/srv/vol1`;
  const call = await inKubelet(
    `${home}/mounter mount -t nfs -o vers=3 ${source} ${target}; cat ${target}/sub/file`,
  );
  t.like(call, { status: 0, output: 'vol1/sub/file\n' });
  t.like(await takeLock(`${target}/file`), { locked: true });
  t.is((await entriesOf(target)).length, entriesPerVolume);
  t.deepEqual((await rpcProcesses()).map(({ name }) => name).sort(), ['rpc.statd', 'rpcbind']);
  await execa('umount', [target]);
  t.deepEqual(await entriesOf(target), []);
});

test.serial("NFSv4 by the image's own mount.nfs, and unmounted in there", async (t) => {
  const target = await newTarget();
  const call = await inKubelet(
    `mount -t nfs -o vers=4.2 ${server.address}:/srv/vol1 ${target}; echo x >${target}/by-kubelet`,
  );
  t.like(call, { status: 0, output: '' });
  t.is(await readFile(`${target}/by-kubelet`, 'utf8'), 'x\n');
  t.is((await entriesOf(target)).length, entriesPerVolume);
  t.like(await inKubelet(`umount ${target}; ! mountpoint -q ${kubeletDirectory}/none`), { status: 0 });
  t.deepEqual(await entriesOf(target), []);
});
