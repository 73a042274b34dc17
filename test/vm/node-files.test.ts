import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import test from 'ava';
import { takeLock } from '../support/guest/lock.ts';
import {
  entriesOf,
  home,
  installAndPrepare,
  mounter,
  mountNfs,
  newTarget,
  unmountAll,
} from '../support/guest/node.ts';
import { vmNode } from '../support/guest/vm-node.ts';

/** Files of the node's own that its own mount.nfs would read: the rootfs's reads them, too. */

const { server, otherServer: closed } = vmNode(test);

test.serial.before(() => closed.stopServices());

const localhost = '127.0.0.1 localhost\n';

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

test.after.always(async () => {
  await replaceFile('/etc/hosts', localhost);
  for (const name of ['/usr/etc', '/etc/nfsmount.conf', '/etc/nfsmount.conf.d', '/etc/nfs.conf'])
    await rm(name, { recursive: true, force: true });
});

for (const enter of ['attach', 'chroot'] as const) {
  test.serial(`${enter}: a server that /etc/hosts alone knows, also after that was replaced`, async (t) => {
    await replaceFile('/etc/hosts', `${localhost}${server.address} nas.home.example\n`);
    await installAndPrepare(enter);
    const mount = async (name: string) => mountNfs(`${name}:/srv/vol1`, await newTarget(), 'vers=4.2');
    t.like(await mount('nas.home.example'), { status: 0, output: '' });
    await replaceFile('/etc/hosts', `${localhost}${server.address} later.home.example\n`);
    t.like(await mount('later.home.example'), { status: 0, output: '' });
    await writeFile('/etc/hosts', `${localhost}${server.address} third.home.example\n`);
    t.like(await mount('third.home.example'), { status: 0, output: '' });
    t.is((await mount('later.home.example')).status, 32, 'it is gone');
    t.is((await mounter('prepare')).output, 'prepared already; nothing to do\n');
    await unmountAll();
  });
}

test.serial('nfsmount.conf, and a file beside it: the options are those of the mount', async (t) => {
  await writeFile(
    '/etc/nfsmount.conf',
    '[ NFSMount_Global_Options ]\nNfsvers=3\nLock=False\nBackground=True\n',
  );
  const first = await newTarget();
  t.like(await mountNfs(`${server.address}:/srv/vol1`, first, ''), { status: 0, output: '' });
  const optionsOf = async (target: string) => (await entriesOf(target))[0]?.superOptions.join() ?? '';
  t.regex(await optionsOf(first), /vers=3.*local_lock=all/);
  await mkdir('/etc/nfsmount.conf.d');
  await writeFile('/etc/nfsmount.conf.d/nas.conf', `[ Server "${server.address}" ]\nrsize=65536\n`);
  const second = await newTarget();
  t.like(await mountNfs(`${server.address}:/srv/vol2`, second, 'vers=4.1'), { status: 0, output: '' });
  t.regex(await optionsOf(second), /vers=4\.1,rsize=65536/, 'those of the call come first');
  t.regex((await mounter('doctor')).output, /left out of the copy of \/etc\/nfsmount\.conf: Background=True/);

  for (const name of ['nfsmount.conf', 'nfsmount.conf.d']) await rm(`/etc/${name}`, { recursive: true });
  await mkdir('/usr/etc');
  await writeFile('/usr/etc/nfsmount.conf', '[ NFSMount_Global_Options ]\nNfsvers=4.2\nwsize=131072\n');
  const third = await newTarget();
  t.like(await mountNfs(`${server.address}:/srv/vol1`, third, ''), { status: 0, output: '' });
  t.regex(
    await optionsOf(third),
    /vers=4\.2,.*wsize=131072/,
    'those of the distribution, where /etc has none',
  );
  await rm('/usr/etc/nfsmount.conf');
});

test.serial('a port that nfsmount.conf names is not held against a slow mount', async (t) => {
  await writeFile('/etc/nfsmount.conf', '[ NFSMount_Global_Options ]\nPort=12049\nProto=tcp\nNfsvers=4.2\n');
  const daemons = 'rpcbind -w; nfsdcld; exportfs -ra; rpc.nfsd -N 3 -p 12049 2; rpc.mountd -N 3';
  await closed.run('bash', '-c', daemons);
  await closed.dropPackets();
  const target = await newTarget();
  const call = mountNfs(`${closed.address}:/srv/vol1`, target, '');
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await closed.passPackets();
  t.like(await call, { status: 0, output: '' });
  await rm('/etc/nfsmount.conf');
});

test.serial('nfs.conf: rpc.statd listens where that says', async (t) => {
  await writeFile('/etc/nfs.conf', '[statd]\nport=4662\nstate-directory-path=/nowhere\n');
  const target = await newTarget();
  t.like(await mountNfs(`${server.address}:/srv/vol1`, target, 'vers=3'), { status: 0, output: '' });
  t.like(await takeLock(`${target}/file`), { locked: true });
  t.regex((await mounter('exec', '--', 'rpcinfo', '-p', '127.0.0.1')).output, /100024 .* 4662 +status/);
  t.regex(
    await readFile(`${home}/rootfs/etc/nfs.conf`, 'utf8'),
    /^# left out: state-directory-path=\/nowhere$/m,
  );
});
