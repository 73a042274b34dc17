import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { startGlusterServer } from '../support/gluster/gluster-server.ts';
import { type EnterMode, enterModes } from '../support/node/enter-mode.ts';
import {
  dist,
  kubeletDirectory,
  mounterHome,
  type NodeRequest,
  rootfsTar,
  ScratchNode,
  shared,
} from '../support/node/namespace.ts';
import { makeSbinWritable } from '../support/node/writable-sbin.ts';

/** `mounter install --helpers`, and what the host's own mount(8), the real one, makes of it. */

const executable = `${mounterHome}/mounter`;
const names = ['mount.glusterfs', 'mount.nfs', 'mount.nfs4'];
const placed = names.map((name) => `/usr/sbin/${name}`);

async function nodeWithHelpers(request?: NodeRequest): Promise<ScratchNode> {
  const node = await ScratchNode.prepared(request);
  try {
    await makeSbinWritable(node);
    await node.mustRun('install', '--helpers');
    return node;
  } catch (error) {
    await node.dispose();
    throw error;
  }
}

function helpersIn(node: ScratchNode, directory = '/usr/sbin'): readonly string[] {
  return readdirSync(node.path(directory)).filter((name) => /^u?mount\..*(nfs|glusterfs|mounter)/.test(name));
}

test.serial('links to the executable are placed once, and taken away again', async (t) => {
  await using node = await ScratchNode.installed();
  await makeSbinWritable(node);
  const first = await node.mustRun('install', '--helpers');
  t.regex(
    first,
    /^placed \/sbin\/mount\.nfs, a link to \/home\/kubernetes\/containerized_mounter\/mounter$/m,
  );
  t.deepEqual(helpersIn(node), names);
  for (const path of placed) t.is(readlinkSync(node.path(path)), executable);
  const inodes = await node.shell(`stat -c %i ${placed.join(' ')}`);
  t.is(await node.mustRun('install', '--helpers'), 'helpers in place already; nothing to do\n');
  t.is(await node.shell(`stat -c %i ${placed.join(' ')}`), inodes, 'the very same links');
  await node.shell(`mkdir /tmp/fs.d; ln -s ${executable} /tmp/fs.d/mount.nfs`);
  const removeIn = ['install', '--remove-helpers', '--directory', '/tmp/fs.d'];
  t.is(await node.mustRun(...removeIn), 'removed /tmp/fs.d/mount.nfs\n');
  t.deepEqual(helpersIn(node), names, 'from that directory alone');
  t.is((await node.mustRun('install', '--remove-helpers')).split('\n').length, 4);
  t.deepEqual(helpersIn(node), []);
  t.is(await node.mustRun('install', '--remove-helpers'), 'no helper of ours is there; nothing to do\n');
});

test.serial('a type that the manifest takes away has no helper, and loses the one it had', async (t) => {
  await using node = await ScratchNode.installed();
  await makeSbinWritable(node);
  await node.mustRun('install', '--helpers');
  const file = node.path(`${mounterHome}/rootfs-manifest.json`);
  const { filesystems, ...rest } = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...rest, filesystems: { ...filesystems, nfs4: null } }));
  t.is(
    await node.mustRun('install', '--helpers'),
    [
      'removed /sbin/mount.nfs4',
      'left out mount.nfs4: the settings of this node take that type away',
      'helpers in place already; nothing to do',
      '',
    ].join('\n'),
  );
  t.deepEqual(helpersIn(node), ['mount.glusterfs', 'mount.nfs']);
  writeFileSync(file, 'broken');
  await node.mustRun('install', '--helpers');
  t.deepEqual(helpersIn(node), names, 'a manifest that says nothing takes nothing away');
});

test.serial('with a SOURCE both are done, and an upgrade keeps the links', async (t) => {
  await using node = await ScratchNode.start();
  await makeSbinWritable(node);
  t.regex(
    (await node.mounter('install', '--helpers')).stderr,
    /not installed here yet\nhint: .*SOURCE --helpers/,
  );
  t.deepEqual(helpersIn(node), []);
  const said = await node.mustRun('install', rootfsTar, '--helpers');
  t.regex(said, /^installed storage-tools sha256:[\s\S]*^placed \/sbin\/mount\.nfs4/m);
  await node.shell(`echo old >>${executable}`);
  t.regex(await node.mustRun('install', rootfsTar, '--helpers'), /placed .*mounter\n[\s\S]*nothing to do/);
  await node.shell(`cmp /sbin/mount.nfs ${dist}/mounter-front; cmp ${executable}-full ${dist}/mounter`);
});

test.serial("a helper of the host's own is never overwritten, wherever mount(8) finds it", async (t) => {
  await using node = await ScratchNode.installed();
  await makeSbinWritable(node);
  await node.shell(
    `mkdir /usr/sbin/fs.d; echo '#!/bin/sh' >/usr/sbin/mount.nfs; echo own >/usr/sbin/fs.d/mount.nfs4`,
  );
  await node.shell('ln -s /opt/other/mounter /usr/sbin/mount.glusterfs');
  const said = await node.mustRun('install', '--helpers');
  t.regex(said, /^left \/sbin\/mount\.nfs as it is: the host has this helper of its own$/m);
  t.regex(said, /^left \/sbin\/fs\.d\/mount\.nfs4 as it is/m);
  t.regex(said, /^left \/sbin\/mount\.glusterfs as it is: .* \(a link to \/opt\/other\/mounter\)$/m);
  t.is(node.read('/usr/sbin/mount.nfs'), '#!/bin/sh\n');
  await node.mustRun('install', '--remove-helpers');
  t.deepEqual(helpersIn(node), ['mount.glusterfs', 'mount.nfs']);
});

test.serial(
  'where /usr is read-only it says so, and what to do instead; a writable fs.d is used',
  async (t) => {
    await using node = await ScratchNode.installed();
    const { status, stderr } = await node.mounter('install', '--helpers');
    t.is(status, 2);
    t.regex(
      stderr,
      /^mounter: \/sbin: is read-only, so the helpers of mount\(8\) cannot be placed here\nhint: /,
    );
    for (const way of ['--experimental-mounter-path', 'systemd-sysext', '/sbin/fs.d', '--directory'])
      t.true(stderr.includes(way), way);
    t.deepEqual(helpersIn(node), []);
    await node.shell('mkdir /tmp/fs.d');
    t.regex(
      await node.mustRun('install', '--helpers', '--directory', '/tmp/fs.d'),
      /mount\(8\) looks in \/sbin, .*bound/,
    );
    t.deepEqual(helpersIn(node, '/tmp/fs.d'), names);
    t.regex(
      (await node.mounter('install', '--helpers', '--directory', '/none')).stderr,
      /\/none: there is no such directory/,
    );
  },
);

test.serial('mount -t glusterfs, fstab and umount of the host work', async (t) => {
  await using server = await startGlusterServer({ volumes: ['v1'] });
  await using node = await nodeWithHelpers({ enterNetwork: server.enter });
  const source = `${server.address}:v1`;
  const target = `${kubeletDirectory}/pods/by-host`;
  await node.shell(`mkdir -p ${target}`);
  t.deepEqual(await node.run(['mount', '-t', 'glusterfs', '-o', 'log-level=ERROR', source, target]), {
    status: 0,
    stdout: '',
    stderr: '',
  });
  t.deepEqual(
    node.entriesOf(target).map((entry) => entry.source),
    Array.from({ length: node.entriesPerVolume }, () => source),
  );
  await node.shell(`echo hello >${target}/file; umount ${target}`);
  t.deepEqual(node.entriesOf(target), []);

  await node.shell(
    `echo '${source} ${target} glusterfs ro,_netdev,x-systemd.automount,log-level=ERROR 0 0' >/etc/fstab`,
  );
  t.deepEqual(await node.run(['mount', target]), { status: 0, stdout: '', stderr: '' });
  t.is(await node.shell(`cat ${target}/file`), 'hello\n');
  t.regex(await node.shell(`touch ${target}/file 2>&1 || true`), /Read-only file system/);
  t.is((await node.run(['mount', '-a'])).status, 0, 'mounted already');
  t.is(node.entriesOf(target).length, node.entriesPerVolume);
  await node.shell(`umount ${target}; mount -a -t glusterfs; cat ${target}/file; umount ${target}`);
  t.deepEqual(node.entriesOf(target), []);
});

test.serial(
  'mount -t nfs and nfs4 of the host reach the helper of the rootfs, with its status and words',
  async (t) => {
    await using node = await nodeWithHelpers();
    const target = `${kubeletDirectory}/pods/by-host`;
    await node.shell(`mkdir -p ${target}`);
    for (const [type, options] of [
      ['nfs', 'nfsvers=4.1,retry=0'],
      ['nfs4', 'retry=0,ro'],
    ] as const) {
      const { status, stderr } = await node.run(['mount', '-t', type, '-o', options, '127.0.0.1:/x', target]);
      t.is(status, 32, stderr);
      t.regex(
        stderr,
        new RegExp(
          `^mounter: ${target}: /sbin/mount\\.${type} failed to mount 127\\.0\\.0\\.1:/x\nmount\\.${type}: `,
        ),
      );
      t.deepEqual(node.entriesOf(target), []);
    }
    const elsewhere = await node.run(['mount', '-t', 'nfs', '127.0.0.1:/x', '/run/lock']);
    t.regex(
      elsewhere.stderr,
      /\/run\/lock: the target is not below a directory that volumes may be mounted in/,
    );
  },
);

/** What stands in the place of the rootfs, or of its helper; in that way of entering alone, if one is named. */
const recursions: readonly (readonly [title: string, spoil: string, enter?: EnterMode])[] = [
  ['the rootfs is the host itself', `ln -sfn / ${mounterHome}/rootfs`],
  [
    'somebody placed the helpers in the rootfs',
    `for n in nfs nfs4 glusterfs; do ln -sfn ${executable} ${mounterHome}/rootfs/usr/sbin/mount.$n; done`,
  ],
  [
    'the helper in the rootfs is a copy of the front',
    `rm ${mounterHome}/rootfs/usr/sbin/mount.nfs; cp ${dist}/mounter-front ${mounterHome}/rootfs/usr/sbin/mount.nfs`,
  ],
  [
    'the helper in the rootfs is a copy of the full executable',
    `rm ${mounterHome}/rootfs/usr/sbin/mount.nfs; cp ${dist}/mounter ${mounterHome}/rootfs/usr/sbin/mount.nfs
     ldd ${dist}/mounter | awk '/=> .*\\//{print $3}' | xargs cp -n --parents -t ${mounterHome}/rootfs`,
    // Without a /proc, which the other way gives no helper, it can do nothing at all.
    'chroot',
  ],
  ['the rootfs leads to itself', `ln -sfn rootfs ${mounterHome}/rootfs`],
  ['MOUNTER_HOME is its own rootfs', `ln -sfn . ${mounterHome}/rootfs`],
];
for (const [title, spoil, only] of recursions) {
  for (const enter of only === undefined ? enterModes : [only]) {
    test.serial(`${enter}: mounter never calls itself for ever: ${title}`, async (t) => {
      await using node = await nodeWithHelpers({ enter });
      const target = `${kubeletDirectory}/pods/by-host`;
      await node.shell(`mkdir -p ${target}`);
      await node.shell(spoil);
      for (const argv of [
        ['mount', '-t', 'nfs', '127.0.0.1:/x', target],
        [executable, 'mount', '-t', 'nfs', '127.0.0.1:/x', target],
      ]) {
        const { status, stderr } = await node.run(['timeout', '60', ...argv]);
        t.not(status, 0);
        t.not(status, 124, 'no end');
        t.regex(stderr, /is mounter itself|no rootfs is installed|helper is missing/, stderr);
        t.regex(stderr, /^hint: /m);
      }
      t.deepEqual(node.processesOf('mounter'), []);
    });
  }
}

const mistakes: readonly (readonly [argv: readonly string[], stderr: RegExp])[] = [
  [['--helpers', '--remove-helpers'], /--remove-helpers: contradicts --helpers\nhint: /],
  [['--directory', '/x', 'source'], /--directory: has a meaning with --helpers only\nhint: /],
  [['--helpers', '--directory', 'x'], /--directory: x is a relative path\nhint: /],
  [['--helpers', '--into', `${shared}/x`, 'source'], /--helpers: has no meaning with --into/],
];
test.serial('mistakes', async (t) => {
  await using node = await ScratchNode.start();
  for (const [argv, expected] of mistakes) {
    const { status, stderr } = await node.mounter('install', ...argv);
    t.is(status, 1, stderr);
    t.regex(stderr, expected);
  }
});
