import { closeSync, openSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { enterModes } from '../support/node/enter-mode.ts';
import {
  installedMounter,
  kubeletDirectory,
  mounter,
  mounterHome,
  type Ran,
  ScratchNode,
} from '../support/node/namespace.ts';

const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

/** What --json says; it must be JSON and nothing else. */
function parsed({ stdout, stderr }: Ran) {
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout);
}

test.serial('status: 1 before install and before prepare, 0 when mounts would work', async (t) => {
  await using node = await ScratchNode.start();
  const bare = await node.mounter('status');
  t.is(bare.status, 1);
  t.regex(bare.stdout, /rootfs +none: run mounter install SOURCE\n/);
  const nothing = parsed(await node.mounter('status', '--json'));
  t.deepEqual(
    [
      nothing.executable,
      nothing.digest,
      nothing.isPrepared,
      nothing.versions,
      nothing.mounts,
      nothing.volumes,
    ],
    [null, null, false, [], [], []],
  );
  t.is(nothing.lockServices, null);
  await node.mustRun('install', '/mnt/dist/rootfs.tar.zst');
  const installed = await node.mounter('status');
  t.is(installed.status, 1);
  t.regex(installed.stdout, /prepared +no: run mounter prepare\n/);
  t.regex(installed.stdout, /locks +unknown: the node is not prepared\n/);
  await node.mustRun('prepare');
  t.is((await node.mounter('status')).status, 0);
  await node.mustRun('teardown');
  t.is((await node.mounter('status')).status, 1);
});

test.serial('status --json is the truth about mounts, daemons and volumes', async (t) => {
  await using node = await ScratchNode.prepared();
  const volume = await node.mountGlusterfs('vol');
  await node.mustRun('exec', '--', '/usr/sbin/start-statd');
  const json = parsed(await node.mounter('status', '--json'));
  t.is(json.home, mounterHome);
  t.is(json.executable, `${mounterHome}/mounter`);
  t.is(`versions/${json.digest.slice(7)}`, readlinkSync(node.path(`${mounterHome}/rootfs`)));
  t.true(json.isPrepared);
  t.true(json.mounts.every(({ state }: { state: string }) => state === 'ok'));
  const [rpcbind] = node.processesOf('rpcbind');
  const [statd] = node.processesOf('rpc.statd');
  t.deepEqual(json.lockServices, {
    rpcbind: { pid: rpcbind?.pid, owner: 'rootfs' },
    statd: { pid: statd?.pid, owner: 'rootfs' },
    surplusRpcbinds: [],
    portmapperAnswers: true,
    statdRegistered: true,
    statdAnswers: true,
    listening: 'any',
    listeningByUdp: 'any',
  });
  t.deepEqual(json.volumes, [
    {
      source: 'server:vol',
      target: volume,
      fstype: 'fuse.glusterfs',
      entries: node.entriesPerVolume,
      granted: null,
      readAheadKib: 128,
      lessThanAsked: [],
      daemon: null,
      state: 'dead',
    },
  ]);
  const { daemon: _, state: __, ...granted } = json.volumes[0];
  t.deepEqual(parsed(await node.mounter('status', '--volumes', '--json')), {
    formatVersion: 1,
    volumes: [granted],
  });
  t.regex((await node.mounter('status', '--volumes')).stdout, / +128 KiB .*\n {2}server:vol on\n/);
  const people = await node.mounter('status');
  t.regex(people.stdout, /rpcbind +process \d+, of the rootfs\n/);
  t.regex(people.stdout, /server:vol +fuse.glusterfs +[12] +- +\/var\/lib\/kubelet\/pods\/vol\n/);
  await node.shell(`umount ${volume}; ${mounter} exec -- umount -l /dev`);
  const broken = parsed(await node.mounter('status', '--json'));
  t.false(broken.isPrepared);
  t.deepEqual(
    broken.mounts
      .filter((mount: { state: string }) => mount.state !== 'ok')
      .map((mount: { host: string }) => mount.host),
    ['/dev'],
  );
  t.deepEqual(broken.volumes, []);
});

test.serial('a volume that is mounted is shown where nothing is installed any more', async (t) => {
  await using node = await ScratchNode.start();
  const target = await node.mountGlusterfs('vol');
  const { status, stdout } = await node.mounter('status');
  t.is(status, 1);
  t.regex(stdout, new RegExp(`^unknown +server:vol +fuse.glusterfs +1 +- +${target}$`, 'm'));
});

test.serial('only root looks at the node', async (t) => {
  await using node = await ScratchNode.prepared();
  for (const command of ['status', 'versions']) {
    const { status, stderr } = await node.run([...asNobody, installedMounter, command]);
    t.is(status, 1, stderr);
    t.regex(stderr, /^mounter: looking at the \w+ needs root\nhint: run it as root, or with sudo\n$/);
  }
  t.regex(
    (await node.run([...asNobody, installedMounter, 'mount', '-t', 'nfs', 's:/x', '/var/lib/kubelet/x']))
      .stderr,
    /needs root\nhint: /,
  );
  t.is(
    (
      await node.run([
        ...asNobody,
        installedMounter,
        'mount',
        '--dry-run',
        '-t',
        'nfs',
        's:/x',
        '/var/lib/kubelet/x',
      ])
    ).status,
    0,
  );
});

test.serial('status with a manifest that is not valid names the field', async (t) => {
  await using node = await ScratchNode.installed();
  writeFileSync(node.path(`${mounterHome}/rootfs-manifest.json`), '{"formatVersion": 2}');
  const { status, stdout } = await node.mounter('status');
  t.is(status, 1);
  t.regex(stdout, /^verdict +mounts would fail\n +\S+\/rootfs-manifest\.json: (formatVersion|rootfs): /m);
});

test.serial('status shows a name with control characters as text', async (t) => {
  await using node = await ScratchNode.prepared();
  await node.mountGlusterfs("'a\u001b[31mred'");
  const { stdout } = await node.mounter('status');
  t.true(stdout.includes('server:a\\x1b[31mred'));
  t.false(stdout.includes('\u001b'));
});

test.serial('exec passes status, stdin, stdout, stderr and arguments as they are', async (t) => {
  await using node = await ScratchNode.prepared();
  t.is((await node.mounter('exec', '--', 'sh', '-c', 'exit 7')).status, 7);
  t.is((await node.mounter('exec', '--', 'false')).status, 1);
  t.is((await node.mounter('exec', '--', 'sh', '-c', 'kill -TERM $$')).status, 143);
  t.is((await node.mounter('exec', '--', 'sh', '-c', 'kill -KILL $$')).status, 137);
  const missing = await node.mounter('exec', '--', 'no-such-program');
  t.is(missing.status, 127);
  t.regex(missing.stderr, /no-such-program/);
  const cat = await node.run([mounter, 'exec', '--', 'cat'], { input: 'a\0b\n\n' });
  t.is(cat.stdout, 'a\0b\n\n');
  const args = ['', ' two words ', '*', '$HOME', "'", '"', '--', '-x', '--help', 'ü'];
  const echoed = await node.mounter('exec', '--', 'printf', '[%s]\n', ...args);
  t.is(echoed.stdout, args.map((arg) => `[${arg}]\n`).join(''));
  const both = await node.mounter('exec', '--', 'sh', '-c', 'echo out; echo err >&2');
  t.deepEqual([both.stdout, both.stderr], ['out\n', 'err\n']);
});

test.serial('exec hands no secret of the environment and no open file into the rootfs', async (t) => {
  await using node = await ScratchNode.prepared();
  const environment = { SECRET: 'x', LD_PRELOAD: '', BASH_ENV: '/x' };
  const shown = await node.run([mounter, 'exec', '--', 'env'], { environment });
  t.notRegex(shown.stdout, /SECRET|LD_PRELOAD|BASH_ENV/);
  const files = await node.shell(`${mounter} exec -- ls /proc/self/fd 7</etc/passwd 8>/tmp/x`);
  // ls itself has the directory open.
  t.is(files.trim().split(/\s+/).join(' '), '0 1 2 3');
});

test.serial('a home whose directories nobody may enter is no bug of ours', async (t) => {
  await using node = await ScratchNode.prepared();
  await node.shell('chmod 700 /home/kubernetes');
  const { status, stderr } = await node.run([...asNobody, mounter, 'status']);
  t.not(status, 4, stderr);
});

for (const enter of enterModes) {
  test.serial(`${enter}: the kubelet directory is missing: prepare makes it`, async (t) => {
    await using node = await ScratchNode.installed({ enter });
    rmSync(node.path(kubeletDirectory), { recursive: true });
    await node.mustRun('prepare');
    t.is(await node.shell(`stat -c '%a %U' ${kubeletDirectory}`), '750 root\n');
    const volume = await node.mountVolume('one');
    t.is(node.entriesOf(volume).length, node.entriesPerVolume);
    closeSync(openSync(node.path(kubeletDirectory), 'r'));
  });
}

test.serial('attach: a kubelet directory that is made anew needs no new prepare', async (t) => {
  await using node = await ScratchNode.prepared({ enter: 'attach' });
  await node.shell(`rmdir ${kubeletDirectory}; mkdir -m 755 ${kubeletDirectory}`);
  t.is((await node.mounter('status')).status, 0);
  t.is(await node.mustRun('prepare'), 'prepared already; nothing to do\n');
  t.is(node.entriesOf(await node.mountVolume('one')).length, 1);
});
