import test from 'ava';
import { setLimits } from '../support/node/limits.ts';
import { installedMounter, kubeletDirectory, mounterHome, ScratchNode } from '../support/node/namespace.ts';
import { placeHelper } from '../support/node/tmpfs-helper.ts';

const manifest = `${mounterHome}/rootfs-manifest.json`;
const target = `${kubeletDirectory}/pods/odd`;
const mount = [installedMounter, 'mount', '-t', 'nfs', '-o', 'vers=4', 'server:/export', target];

const inPlaceOfManifest: Readonly<Record<string, RegExp>> = {
  [`mkfifo ${manifest}`]:
    /rootfs-manifest\.json: is no plain file, and is not read\nhint: see what it is \(ls -l /,
  [`ln -s /dev/zero ${manifest}`]: /rootfs-manifest\.json: is no plain file/,
  [`truncate -s 1T ${manifest}`]: /rootfs-manifest\.json: is larger than 64 MiB/,
  [`mkdir ${manifest}`]: /rootfs-manifest\.json: is a directory/,
};

test.serial('what is no manifest is told at once, and neither waited for nor read for ever', async (t) => {
  await using node = await ScratchNode.prepared();
  await node.shell(`mkdir -p ${target}; mv ${manifest} /tmp/manifest`);
  for (const [make, words] of Object.entries(inPlaceOfManifest)) {
    await node.shell(make);
    for (const [expected, call] of [
      [2, mount],
      [1, [installedMounter, 'status']],
    ] as const) {
      const { status, stdout, stderr } = await node.run(['sh', '-c', 'exec timeout 60 "$@"', 'sh', ...call]);
      t.is(status, expected, `${make}: ${stderr}`);
      if (call === mount) t.regex(stderr, words);
      else t.regex(stdout, /rootfs-manifest\.json: is /);
    }
    await node.shell(`rm -r ${manifest}`);
  }
});

test.serial(
  'a pipe among the configuration in the rootfs takes no more than the time of a mount',
  async (t) => {
    await using node = await ScratchNode.prepared();
    placeHelper(node, '#!/bin/sh\nexec sleep 60\n');
    setLimits(node, { mountSeconds: 8, probeAfterSeconds: 1 });
    const directory = `${mounterHome}/rootfs/etc/nfsmount.conf.d`;
    await node.shell(`mkdir -p ${target} ${directory}; mkfifo ${directory}/x.conf; ip link set lo up`);
    // While the helper waits the server is asked, unless the configuration says where that is.
    const argv = mount.map((word) => (word === 'server:/export' ? '127.0.0.1:/export' : word));
    const { status, stderr } = await node.run(['sh', '-c', 'exec timeout -s KILL 60 "$@"', 'sh', ...argv]);
    t.is(status, 32, stderr);
    t.regex(stderr, /^mounter: .* did not mount 127\.0\.0\.1:\/export within 8 s and was ended\n/);
  },
);

test.serial(
  'a mount after a changed manifest works where /run and /tmp are full, and says nothing',
  async (t) => {
    await using node = await ScratchNode.prepared();
    placeHelper(node);
    await node.shell(`mkdir -p ${target}; touch ${manifest}
    for directory in /run /tmp; do mount -o remount,size=64k $directory; cat /dev/zero >$directory/fill || true; done`);
    t.deepEqual(await node.run(mount), { status: 0, stdout: '', stderr: '' });
    await node.shell(`umount ${target}; touch ${manifest}`);
    const limited = await node.run(['sh', '-c', 'ulimit -f 0; exec "$@"', 'sh', ...mount]);
    t.deepEqual(limited, { status: 0, stdout: '', stderr: '' });
  },
);

const tar = '/mnt/dist/rootfs.tar.zst';
/** Each spoils a node in its way, and then a call says which file it is about, and what to do. */
const raw: readonly (readonly [script: string, call: string, words: RegExp])[] = [
  [
    'mkdir /tmp/d',
    `status --metrics /tmp/d`,
    /^mounter: \/tmp\/d: EISDIR: .*\nhint: a directory has the place/,
  ],
  [
    'mkdir /tmp/m; mount -t tmpfs -o size=4k t /tmp/m; cat /dev/zero >/tmp/m/fill 2>/dev/null || true',
    'status --metrics /tmp/m/x',
    /^mounter: \/tmp\/m\/x: ENOSPC: .*\nhint: the disk is full/,
  ],
  [
    ':',
    'unit prepare --root /tmp/m --install',
    /^mounter: \/tmp\/m\/etc\/.*: ENOSPC: .*\nhint: the disk is full/,
  ],
  [
    ':',
    'status --metrics /etc/hostname/x',
    /^mounter: \/etc\/hostname\/x: ENOTDIR: .*\nhint: see what on the way/,
  ],
  [':', 'status --metrics /proc/x', /^mounter: \/proc\/x: ENOENT: .*\nhint: see which directory/],
  [':', `install ${tar} --manifest /tmp/d`, /^mounter: \/tmp\/d: EISDIR: .*\nhint: a directory/],
  [':', `install ${tar} --into /etc/hostname/x`, /^mounter: \/etc\/hostname.*: E\w+: .*\nhint: s/],
  [':', `install ${tar} --home /etc/hostname`, /^mounter: \/etc\/hostname\S*: ENOTDIR: .*\nhint: see what/],
  [
    `rm ${mounterHome}/start-statd; mkdir ${mounterHome}/start-statd`,
    'prepare',
    /^mounter: \S+\/start-statd: EISDIR: .*\nhint: a directory/,
  ],
];

test.serial('what the kernel refuses is told with its file and the next action', async (t) => {
  await using node = await ScratchNode.prepared();
  for (const [script, call, words] of raw) {
    await node.shell(script);
    const { status, stderr } = await node.run(['sh', '-c', `${installedMounter} ${call}`]);
    t.is(status, 2, `${call}: ${stderr}`);
    t.regex(stderr, words);
  }
  // No file of that name.
  t.regex(await node.mustRun('status', '--metrics', '-'), /^# HELP mounter_/);
});
