import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import test from 'ava';
import { execa } from 'execa';
import { takeLock } from '../support/guest/lock.ts';
import {
  entriesOf,
  entriesPerVolume,
  home,
  installAndPrepare,
  kubeletDirectory,
  mounter,
  mountNfs,
  newTarget,
} from '../support/guest/node.ts';
import { isStatdAnswering, rpcProcesses } from '../support/guest/rpc.ts';
import { vmNode } from '../support/guest/vm-node.ts';

const { server, v3Server } = vmNode(test);

const daemons = async () => (await rpcProcesses()).map(({ name }) => name).sort();
const lockServices = ['rpc.statd', 'rpcbind'];

for (const version of ['4.0', '4.1', '4.2']) {
  test.serial(`v${version} mounts, writes, locks, and starts no daemon`, async (t) => {
    const target = await newTarget();
    t.like(await mountNfs(`${server.address}:/srv/vol1`, target, `hard,nfsvers=${version}`), {
      status: 0,
      output: '',
    });
    await writeFile(`${target}/by-v${version}`, 'hello');
    t.is(await readFile(`${server.directory}/vol1/by-v${version}`, 'utf8'), 'hello');
    t.like(await takeLock(`${target}/file`), { locked: true });
    const entries = await entriesOf(target);
    t.is(entries.length, entriesPerVolume);
    t.true(entries.every(({ superOptions }) => superOptions.includes(`vers=${version}`)));
    t.deepEqual(await daemons(), []);
    await execa('umount', [target]);
    t.deepEqual(await entriesOf(target), []);
  });
}

test.serial('nfs4 as the type is v4', async (t) => {
  const target = await newTarget();
  t.is((await mounter('mount', '-t', 'nfs4', `${server.address}:/srv/vol1`, target)).status, 0);
  t.is((await entriesOf(target))[0]?.fstype, 'nfs4');
  t.deepEqual(await daemons(), []);
});

test.serial(
  'v3 with locks on a node where nothing runs: the first call mounts, and a lock is taken',
  async (t) => {
    const target = await newTarget();
    const call = await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3');
    t.like(call, { status: 0, output: '' });
    t.log(`${call.milliseconds} ms`);
    t.like(await takeLock(`${target}/file`), { locked: true });
    t.deepEqual(await daemons(), lockServices);
    t.is((await entriesOf(target)).length, entriesPerVolume);
  },
);

test.serial('v3 without locks starts no daemon', async (t) => {
  const target = await newTarget();
  t.like(await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3,nolock'), { status: 0, output: '' });
  t.like(await takeLock(`${target}/file`), { locked: true });
  t.deepEqual(await daemons(), []);
});

test.serial('no version, a server with v4: 4.2 and no daemon', async (t) => {
  const target = await newTarget();
  t.like(await mountNfs(`${server.address}:/srv/vol1`, target, ''), { status: 0, output: '' });
  t.true((await entriesOf(target))[0]?.superOptions.includes('vers=4.2'));
  t.deepEqual(await daemons(), []);
});

test.serial(
  'no version, a server with v3 alone, on a node where nothing runs: v3, and a lock is taken',
  async (t) => {
    const target = await newTarget();
    const call = await mountNfs(`${v3Server.address}:/srv/vol1`, target, '');
    t.like(call, { status: 0, output: '' });
    t.log(`${call.milliseconds} ms`);
    t.true((await entriesOf(target))[0]?.superOptions.includes('vers=3'));
    t.like(await takeLock(`${target}/file`), { locked: true });
    t.deepEqual(await daemons(), lockServices);
  },
);

test.serial(
  "the original's way, with the image's own start-statd, fails for v3; prepare mends it",
  async (t) => {
    await installAndPrepare('chroot');
    const [target, startStatd] = [await newTarget(), `${home}/rootfs/usr/sbin/start-statd`];
    await execa('umount', [startStatd]);
    const started = performance.now();
    const argv = [
      `${home}/rootfs`,
      'mount',
      '-t',
      'nfs',
      '-o',
      'vers=3',
      `${server.address}:/srv/vol1`,
      target,
    ];
    const original = await execa('chroot', argv, { reject: false });
    t.log(`status ${original.exitCode} after ${Math.round(performance.now() - started)} ms`);
    t.is(original.exitCode, 32);
    t.regex(original.stderr, /rpc.statd is not running/);
    t.regex((await mounter('prepare')).output, /start-statd/);
    t.is(
      (await execa('chroot', argv, { reject: false })).exitCode,
      0,
      'our start-statd serves whoever runs mount.nfs in there',
    );
    t.like(await takeLock(`${target}/file`), { locked: true });
    await installAndPrepare();
  },
);

test.serial('an IPv6 server, a sub-directory, generic options in any place', async (t) => {
  const target = await newTarget();
  const call = await mounter(
    'mount',
    '--no-canonicalize',
    `[${server.address6}]:/srv/vol1/sub`,
    '-o',
    'noatime',
    target,
    '-tnfs',
    '-overs=4.2',
    '-r',
  );
  t.like(call, { status: 0, output: '' });
  t.is(await readFile(`${target}/file`, 'utf8'), 'vol1/sub/file\n');
  await t.throwsAsync(writeFile(`${target}/new`, ''), { code: 'EROFS' });
  t.true((await entriesOf(target))[0]?.mountOptions.includes('noatime'));
});

test.serial('called as mount.nfs it is the helper', async (t) => {
  const target = await newTarget();
  await execa('ln', ['-sf', `${home}/mounter`, '/tmp/mount.nfs']);
  const result = await execa(
    '/tmp/mount.nfs',
    [`${server.address}:/srv/vol1`, target, '-v', '-o', 'rw,vers=4.1'],
    { reject: false },
  );
  t.is(result.exitCode, 0, result.stderr);
  t.true((await entriesOf(target))[0]?.superOptions.includes('vers=4.1'));
});

test.serial('options that mount(8) would keep from the helper do no harm', async (t) => {
  for (const options of [
    'defaults,vers=4.2',
    'noauto,nofail,vers=4.2',
    '_netdev,vers=4.2',
    'x-systemd.automount,vers=4.2',
    'user,vers=4.2',
  ]) {
    const target = await newTarget();
    const call = await mountNfs(`${server.address}:/srv/vol1`, target, options);
    t.is(call.status, 0, `${options}: ${call.output}`);
  }
});

test.serial('ten prepares, then one volume: 2 entries; teardown takes everything back', async (t) => {
  for (let run = 0; run < 10; run += 1)
    t.is((await mounter('prepare')).output, 'prepared already; nothing to do\n');
  const target = await newTarget();
  t.is((await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3')).status, 0);
  t.is((await entriesOf(target)).length, entriesPerVolume);
  const refused = await mounter('teardown');
  t.is(refused.status, 2);
  t.regex(refused.output, /volumes are mounted: 1,/);
  await execa('umount', [target]);
  t.is((await mounter('teardown')).status, 0);
  t.deepEqual(await daemons(), []);
  t.deepEqual(await entriesOf(kubeletDirectory), []);
  await installAndPrepare();
});

test.serial('the same source on a target again: success, and still one mount', async (t) => {
  const target = await newTarget();
  for (let run = 0; run < 3; run += 1) {
    t.like(await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=4.2'), { status: 0, output: '' });
  }
  const readOnly = await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=4.2,ro');
  t.is(readOnly.status, 32);
  t.regex(readOnly.output, /is mounted there already, without ro\n/);
  t.is((await entriesOf(target)).length, entriesPerVolume);
});

test.serial('made with flags that protect it, it has them, and is asked for with them again', async (t) => {
  for (const version of ['3', '4.2']) {
    const target = await newTarget();
    for (const call of ['first', 'again']) {
      const options = `vers=${version},ro,user`;
      t.like(await mountNfs(`${server.address}:/srv/vol1`, target, options), { status: 0, output: '' }, call);
    }
  }
});

test.serial(
  'another export of the same filesystem on a mounted target: mount.nfs would say success',
  async (t) => {
    const target = await newTarget();
    await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=4.2');
    // As the helper alone would do; in its view the target is not there where a mount is attached.
    const chroot = ['chroot', `${home}/rootfs`, '/sbin/mount.nfs'];
    if (entriesPerVolume === 2)
      t.is(
        (await execa('env', [...chroot, `${server.address}:/srv/vol2`, target, '-o', 'vers=4.2'])).exitCode,
        0,
      );
    t.is((await entriesOf(target)).length, entriesPerVolume);
    const call = await mountNfs(`${server.address}:/srv/vol2`, target, 'vers=4.2');
    t.is(call.status, 32);
    t.true(
      call.output.includes(
        `${server.address}:/srv/vol1 (nfs4) is mounted there already, not ${server.address}:/srv/vol2`,
      ),
      call.output,
    );
    t.is((await entriesOf(target)).length, entriesPerVolume);
  },
);

test.serial('two calls for one target at once: both succeed, one mount', async (t) => {
  const target = await newTarget();
  const calls = await Promise.all(
    [1, 2, 3, 4].map(() => mountNfs(`${server.address}:/srv/vol1`, target, 'vers=4.2')),
  );
  t.deepEqual(
    calls.map(({ status, output }) => [status, output]),
    Array(4).fill([0, '']),
  );
  t.is((await entriesOf(target)).length, entriesPerVolume);
});

test.serial('40 first v3 mounts at once: all succeed, one rpcbind, one statd', async (t) => {
  const targets = await Promise.all(Array.from({ length: 40 }, newTarget));
  const calls = await Promise.all(
    targets.map((target) => mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3')),
  );
  t.deepEqual(
    calls.filter(({ status }) => status !== 0),
    [],
  );
  t.deepEqual(await daemons(), lockServices);
  t.true(await isStatdAnswering());
  t.like(await takeLock(`${targets[7]}/file`), { locked: true });
});

test.serial('two first mounts that are negotiated down to v3 at once', async (t) => {
  const targets = [await newTarget(), await newTarget()];
  const calls = await Promise.all(
    targets.map((target) => mountNfs(`${v3Server.address}:/srv/vol1`, target, '')),
  );
  t.deepEqual(
    calls.map(({ status, output }) => [status, output]),
    Array(2).fill([0, '']),
  );
  t.deepEqual(await daemons(), lockServices);
  t.like(await takeLock(`${targets[1]}/file`), { locked: true });
});

test.serial('a symlink below the kubelet directory is refused, wherever it leads', async (t) => {
  const target = await newTarget();
  await symlink('/etc', `${target}/link`);
  await mkdir('/tmp/outside', { recursive: true });
  for (const path of [`${target}/link`, `${target}/link/ssl`]) {
    const call = await mountNfs(`${server.address}:/srv/vol1`, path, 'vers=4.2');
    t.is(call.status, 1, call.output);
    t.regex(call.output, /is a symlink/);
  }
});

test.serial('remount is refused, and the mount that is there stays as it is', async (t) => {
  const target = await newTarget();
  await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=4.2');
  const call = await mountNfs(`${server.address}:/srv/vol1`, target, 'remount,ro,vers=4.2');
  t.is(call.status, 1, call.output);
  t.regex(call.output, /mounter makes mounts, and changes none that is there.*\nhint: umount the target/);
  const entries = await entriesOf(target);
  t.is(entries.length, entriesPerVolume);
  t.false(entries.some(({ mountOptions }) => mountOptions.includes('ro')));
});
