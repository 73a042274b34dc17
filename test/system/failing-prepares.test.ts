import test from 'ava';
import { rounds } from '../support/long-run.ts';
import { type EnterMode, enterModes } from '../support/node/enter-mode.ts';
import { kubeletDirectory, mounterHome, ScratchNode } from '../support/node/namespace.ts';
import { leftSince, remainsOf } from '../support/node/remains.ts';

/** However often prepare fails, and why: not one namespace, file or mount is left, and the next one that can, does. */

const prepares = rounds(2, 8);
const goneMs = 5000;
const version = `$(realpath ${mounterHome}/rootfs)`;
const manifest = `${mounterHome}/rootfs-manifest.json`;

/** strace(1) does so to the system calls of this name. */
const injecting = (call: string, what: string) => [
  ...['strace', '-f', '-qq', '-o', '/dev/null'],
  ...['-e', `trace=${call}`, '-e', `inject=${call}:${what}`],
];

/** From the `when`th on in each process. */
const failing = (call: string, error: string, when: string) => injecting(call, `error=${error}:when=${when}`);

interface Failure {
  readonly title: string;
  readonly ways?: readonly EnterMode[];
  /** What breaks the node, and what mends it. */
  readonly scripts?: readonly [broken: string, mended: string];
  readonly prefix?: readonly string[];
  readonly says: RegExp;
}

const failures: readonly Failure[] = [
  {
    title: 'a host path of the manifest is missing',
    scripts: [
      `cp ${manifest} /tmp; sed -i 's|"mounter": *\\[|&{"host":"/nowhere","rootfs":"/srv","type":"bind","access":"ro","propagation":"private"},|' ${manifest}`,
      `cp /tmp/rootfs-manifest.json ${manifest}`,
    ],
    says: /^mounter: \/nowhere: this host path of mounts\.mounter does not exist\nhint: /,
  },
  {
    title: 'a host path of the manifest is a file, where the image has a directory',
    scripts: [
      `cp ${manifest} /tmp; sed -i 's|"host": *"/sys"|"host":"/etc/passwd"|' ${manifest}`,
      `cp /tmp/rootfs-manifest.json ${manifest}`,
    ],
    says: /^mounter: .*\/sys/,
  },
  {
    title: 'a symlink of the image where something is to be mounted',
    scripts: [`cd ${version}; mv sys sys.real; ln -s / sys`, `cd ${version}; rm sys; mv sys.real sys`],
    says: /sys: is a symlink in the image, and would lead the mount elsewhere\nhint: /,
  },
  {
    title: 'home is read-only',
    scripts: ['mount -o remount,ro /home', 'mount -o remount,rw /home'],
    says: /^mounter: .*\nhint: /,
  },
  {
    title: '/run is full',
    scripts: [
      'mount -o remount,size=64k /run; cat /dev/zero >/run/full 2>/dev/null || :',
      'rm /run/full; mount -o remount,size=10m /run',
    ],
    says: /^mounter: \/run\/\S+: .*No space left.*\nhint: /i,
  },
  {
    title: '/run has no room for a file',
    scripts: [
      'mount -o remount,nr_inodes=8 /run; i=0; while mkdir /run/full.$i; do i=$((i + 1)); done 2>/dev/null',
      'rm -rf /run/full.*; mount -o remount,nr_inodes=10k /run',
    ],
    says: /^mounter: .*No space left.*\nhint: /i,
  },
  {
    title: 'no more mount namespaces are allowed',
    ways: ['attach'],
    prefix: failing('unshare', 'ENOSPC', '1+'),
    says: /: user\.max_mnt_namespaces allows no more .*\nhint: write \{"enter": "chroot"\} into /,
  },
  ...[1, 3, 9, 20].map((when) => ({
    title: `mount(2) is forbidden, from the ${when}. on`,
    // mount(8) of util-linux 2.39 and later asks for a mount by the other two.
    prefix: failing('mount,open_tree,fsopen', 'EPERM', `${when}+`),
    says: /^mounter: .*\n/,
    ways: when > 1 ? (['attach'] as const) : enterModes,
  })),
];

for (const { title, ways = enterModes, scripts, prefix = [], says } of failures)
  for (const enter of ways)
    test.serial(`${enter}: ${title}: ${prepares} prepares fail, and leave nothing`, async (t) => {
      await using node = await ScratchNode.installed({ enter });
      // For the files that only the first ones make.
      await node.mustRun('prepare');
      await node.mustRun('teardown');
      if (scripts !== undefined) await node.shell(scripts[0]);
      const home = () => node.shell(`find ${mounterHome} | sort`);
      const before = { remains: await remainsOf(node), home: await home() };
      for (let count = 1; count <= prepares; count += 1) {
        const { status, stderr } = await node.run([...prefix, `${mounterHome}/mounter`, 'prepare']);
        t.is(status, 2, stderr);
        t.regex(stderr, says);
      }
      t.deepEqual(await leftSince(before.remains, node, goneMs), []);
      t.is(await home(), before.home);
      if (scripts !== undefined) await node.shell(scripts[1]);
      await node.mustRun('prepare');
      await node.mountVolume('one');
      t.is(node.entriesOf(`${kubeletDirectory}/pods/one`).length, node.entriesPerVolume);
    });

test.serial(
  `attach: ${prepares} prepares are killed, and there are never more namespaces than of the last`,
  async (t) => {
    await using node = await ScratchNode.prepared({ enter: 'attach' });
    const pins = () => node.mountinfo().filter(({ fstype }) => fstype === 'nsfs').length;
    // Another description: they are made anew. The link to them is the first symlink that is made.
    const kill = injecting('symlink', 'signal=KILL');
    await node.shell(`sed -i 's|"host": *"/sys"|"host":"/proc"|' ${manifest}`);
    for (let count = 1; count <= prepares; count += 1) {
      t.not((await node.run([...kill, `${mounterHome}/mounter`, 'prepare'])).status, 0);
      t.is(pins(), 4, 'those of before, which calls enter, and those of this run');
      await node.mountVolume('one');
      await node.shell(`umount ${kubeletDirectory}/pods/one`);
    }
    await node.mustRun('prepare');
    t.is(pins(), 2);
  },
);
