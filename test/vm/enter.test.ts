import { appendFile, readFile, writeFile } from 'node:fs/promises';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { takeLock } from '../support/guest/lock.ts';
import { entriesOf, home, installAndPrepare, mounter, mountNfs, newTarget } from '../support/guest/node.ts';
import { rpcProcesses } from '../support/guest/rpc.ts';
import { vmNode } from '../support/guest/vm-node.ts';
import { enterModes, setEnter } from '../support/node/enter-mode.ts';

/** Both ways into the rootfs: the other test files use the one that the manifest has. */

const { server } = vmNode(test);

const entries = { chroot: 2, attach: 1 } as const;

async function works(t: ExecutionContext, target: string): Promise<void> {
  await writeFile(`${target}/file`, target);
  t.is(await readFile(`${target}/file`, 'utf8'), target);
  t.like(await takeLock(`${target}/file`), { locked: true });
}

for (const enter of enterModes) {
  for (const options of ['vers=4.2', 'vers=3', '']) {
    test.serial(`${enter}: ${options || 'no version'}, from nothing to umount by the host`, async (t) => {
      await setEnter(home, enter);
      t.is((await mounter('prepare')).status, 0);
      const target = await newTarget();
      t.like(await mountNfs(`${server.address}:/srv/vol1`, target, options), { status: 0, output: '' });
      t.is((await entriesOf(target)).length, entries[enter]);
      await works(t, target);
      await execa('umount', [target]);
      t.deepEqual(await entriesOf(target), []);
      t.is((await mounter('status')).status, 0);
    });
  }
}

/** Ways to name one directory of a server, the options, and what the first call is to end with. */
const sameExport = (address: string) =>
  [
    [`nas-a:/srv/vol1`, 'vers=4.2'],
    [`nas-b:/srv/vol1`, 'vers=4.2'],
    [`nas-b:/srv/vol1`, 'vers=3'],
    [`${address}:srv/vol1`, 'vers=4.2'],
    [`${address}:/srv/./vol1/.`, 'vers=4.2'],
    [`${address},10.9.9.9:/srv/vol1`, 'vers=4.2'],
    [`${address}:/srv/vol1/link`, 'vers=4.2'],
    [`nas-b:/srv/vol1/link`, 'vers=3'],
    [`${address}:`, 'vers=4.2'],
    [`${address}:/srv/vol1`, 'defaults,user,user=u,nofail,x-a,helper=a,vers=4.2'],
  ] as const;

for (const enter of enterModes)
  test.serial(
    `${enter}: the same call again is a success, by whatever name; another directory is busy`,
    async (t) => {
      await setEnter(home, enter);
      t.is((await mounter('prepare')).status, 0);
      await appendFile(`${home}/rootfs/etc/hosts`, `${server.address} nas-a nas-b\n`);
      await execa('ln', ['-sfn', 'sub', `${server.directory}/vol1/link`]);
      const sub = await newTarget();
      for (const options of ['vers=4.2', 'vers=3'])
        t.is((await mountNfs(`nas-a:/srv/vol1/sub`, await newTarget(), options)).status, 0);
      t.is((await mountNfs(`nas-a:/srv/vol1/sub`, sub, 'vers=4.2')).status, 0);
      for (const [source, options] of sameExport(server.address)) {
        const target = await newTarget();
        for (const call of ['first', 'again']) {
          const { status, output } = await mountNfs(source, target, options);
          t.is(status, 0, `${source} ${options}, ${call}: ${output}`);
        }
        t.is((await entriesOf(target)).length, entries[enter], source);
        const other = await mountNfs(`${server.address}:/srv/vol2`, target, options);
        t.is(other.status, 32, source);
        t.regex(other.output, /is mounted there already, not/, source);
      }
      t.is((await mountNfs('nas-b:/srv/vol1/link', sub, 'vers=4.2')).status, 0);
      for (const other of [
        '10.9.9.9:/srv/vol1/sub',
        'nosuch.invalid:/srv/vol1/sub',
        'nas-b:/srv/vol1',
        'nas-b:/srv/nosuch',
      ])
        t.is((await mountNfs(other, sub, 'vers=4.2')).status, 32, other);
      t.is((await entriesOf(sub)).length, entries[enter]);
    },
  );

test.serial('a node that allows no mount namespaces is told so, and goes on with chroot', async (t) => {
  await installAndPrepare('chroot');
  const limit = '/proc/sys/user/max_mnt_namespaces';
  const before = await readFile(limit, 'utf8');
  await setEnter(home, 'attach');
  await writeFile(limit, '0');
  try {
    const { status, output } = await mounter('prepare');
    t.is(status, 2);
    t.regex(output, /cannot be made: user\.max_mnt_namespaces .*\nhint: write \{"enter": "chroot"\} into \//);
    const target = await newTarget();
    const version4 = await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=4.2');
    t.is(version4.status, 32, 'the kernel itself makes a namespace for it');
    t.regex(version4.output, /user\.max_mnt_namespaces is 0 on this node\n/);
    t.like(await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3'), { status: 0, output: '' });
    t.is((await entriesOf(target)).length, entries.chroot);
    await works(t, target);
  } finally {
    await writeFile(limit, before);
  }
  t.is((await mounter('prepare')).status, 0);
  t.is((await mounter('status')).status, 0);
});

test.serial('there and back with NFSv3 mounted: its locks and its daemons go on', async (t) => {
  const target = await newTarget();
  t.is((await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3')).status, 0);
  const before = await rpcProcesses();
  for (const enter of enterModes) {
    await setEnter(home, enter);
    t.is((await mounter('prepare')).status, 0);
    await works(t, target);
    const later = await newTarget();
    t.like(await mountNfs(`${server.address}:/srv/vol2`, later, 'vers=3'), { status: 0, output: '' });
    t.is((await entriesOf(later)).length, entries[enter]);
    await works(t, later);
    await execa('umount', [later]);
  }
  t.deepEqual(await rpcProcesses(), before, 'no second rpcbind, no second rpc.statd');
  await execa('umount', [target]);
  t.deepEqual(await entriesOf(target), []);
});
