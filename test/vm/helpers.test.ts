import { readFile, rm, writeFile } from 'node:fs/promises';
import test from 'ava';
import { execa } from 'execa';
import { takeLock } from '../support/guest/lock.ts';
import { entriesOf, entriesPerVolume, home, mounter, newTarget } from '../support/guest/node.ts';
import { rpcProcesses } from '../support/guest/rpc.ts';
import { vmNode } from '../support/guest/vm-node.ts';

/** The host's own mount(8) and umount(8) on real NFS, by the links of `mounter install --helpers`. */

const { server } = vmNode(test);

test.serial.before(async () => {
  const { status, output } = await mounter('install', '--helpers');
  if (status !== 0) throw new Error(output);
});

test.after.always(() => mounter('install', '--remove-helpers'));

const mount = (...argv: readonly string[]) => execa('mount', argv, { reject: false, timeout: 60_000 });

for (const [type, options, version] of [
  ['nfs', 'nfsvers=3', '3'],
  ['nfs', 'hard,nfsvers=4.1', '4.1'],
  ['nfs', 'rw', '4.2'],
  ['nfs4', 'ro', '4.2'],
] as const) {
  test.serial(`mount -t ${type} -o ${options}, and umount`, async (t) => {
    const target = await newTarget();
    const source = `${server.address}:/srv/vol1`;
    const { exitCode, stderr } = await mount('-t', type, '-o', options, source, target);
    t.is(stderr, '');
    t.is(exitCode, 0);
    const entries = await entriesOf(target);
    t.is(entries.length, entriesPerVolume);
    t.true(entries.every(({ superOptions }) => superOptions.includes(`vers=${version}`)));
    t.is(entries[0]?.mountOptions.includes('ro'), options === 'ro');
    if (options !== 'ro') t.like(await takeLock(`${target}/file`), { locked: true });
    const { exitCode: status } = await execa('umount', [target], { reject: false, timeout: 30_000 });
    t.is(status, 0);
    t.deepEqual(await entriesOf(target), []);
  });
}

test.serial('fstab: mount TARGET and mount -a, with options that are not for the helper', async (t) => {
  const target = await newTarget();
  const before = await readFile('/etc/fstab', 'utf8').catch(() => undefined);
  const options = 'nfsvers=4.2,_netdev,nofail,x-systemd.automount,noauto';
  try {
    await writeFile('/etc/fstab', `${server.address}:/srv/vol1 ${target} nfs ${options} 0 0\n`);
    t.like(await mount(target), { exitCode: 0, stderr: '' });
    t.is((await entriesOf(target)).length, entriesPerVolume);
    await execa('umount', [target]);
    await writeFile(
      '/etc/fstab',
      `${server.address}:/srv/vol1 ${target} nfs ${options.replace(',noauto', '')} 0 0\n`,
    );
    for (const again of [1, 2]) t.like(await mount('-a'), { exitCode: 0 }, `${again}`);
    t.is((await entriesOf(target)).length, entriesPerVolume, 'once');
  } finally {
    if (before === undefined) await rm('/etc/fstab');
    else await writeFile('/etc/fstab', before);
  }
});

test.serial('turned off, a helper mounts nothing and starts nothing; turned on again it does', async (t) => {
  const target = await newTarget();
  const path = `${home}/rootfs-manifest.json`;
  const text = await readFile(path, 'utf8');
  const source = `${server.address}:/srv/vol1`;
  try {
    await writeFile(path, JSON.stringify({ ...JSON.parse(text), enabled: false }));
    const off = await mount('-t', 'nfs', '-o', 'nfsvers=3', source, target);
    t.is(off.exitCode, 2);
    t.regex(off.stderr, /the mounter is turned off on this node/);
    t.deepEqual(await entriesOf(target), []);
    t.deepEqual(await rpcProcesses(), []);
  } finally {
    await writeFile(path, text);
  }
  t.is((await mount('-t', 'nfs', '-o', 'nfsvers=3', source, target)).exitCode, 0);
});
