import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { startGlusterServer } from '../support/gluster/gluster-server.ts';
import { rounds } from '../support/long-run.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import {
  kubeletDirectory,
  mounter,
  mounterHome,
  type NodeRequest,
  rootfsTar,
  ScratchNode,
} from '../support/node/namespace.ts';
import {
  changedTar,
  currentVersion,
  digestOf,
  installedVersions,
  manifestText,
  offer,
  rootfsBytes,
  rootfsWith,
  unfinished,
} from '../support/node/rootfs-versions.ts';

/** Several versions on one node: switched forward and back, and removed when nothing needs them. */

const first = digestOf(rootfsBytes);
const secondTar = await rootfsWith('second-version');
const second = digestOf(secondTar);
const thirdTar = await rootfsWith('third-version');
const third = digestOf(thirdTar);

interface Listed {
  readonly digest: string;
  readonly reference: string | null;
  readonly bytes: number | null;
  readonly isCurrent: boolean;
  readonly isPrevious: boolean;
  readonly processes: readonly { readonly pid: number; readonly program: string }[];
  readonly mounts: readonly { readonly mountPoint: string }[];
}

async function list(node: ScratchNode): Promise<readonly Listed[]> {
  return JSON.parse(await node.mustRun('versions', '--json')).versions;
}

async function listed(node: ScratchNode, digest: string): Promise<Listed> {
  const found = (await list(node)).find((version) => version.digest === digest);
  if (found === undefined) throw new Error(`${digest} is not listed`);
  return found;
}

function directoryOf(digest: string): string {
  return `${mounterHome}/versions/${digest.slice(7)}`;
}

function isCurrent(t: ExecutionContext, node: ScratchNode, digest: string, hint?: string): void {
  t.is(currentVersion(node), `versions/${digest.slice(7)}`, hint);
}

function mountsIn(node: ScratchNode, digest: string): readonly string[] {
  return node
    .mountinfo()
    .map(({ mountPoint }) => mountPoint)
    .filter((mountPoint) => mountPoint.startsWith(`${directoryOf(digest)}/`));
}

/** A node that was prepared with the first version and has the second one now. */
async function upgraded(request?: NodeRequest): Promise<ScratchNode> {
  const node = await ScratchNode.prepared(request);
  await node.mustRun('install', offer(node, secondTar));
  return node;
}

const gluster = (node: ScratchNode, source: string, target: string) =>
  node.shell(
    `mkdir -p ${target}; ${mounterHome}/mounter mount -t glusterfs -o log-level=ERROR ${source} ${target}`,
  );

for (const enter of enterModes) {
  test.serial(
    `${enter}: a GlusterFS volume outlives the version it was mounted with, which then can go`,
    async (t) => {
      await using server = await startGlusterServer({ volumes: ['v1', 'v2'] });
      await using node = await ScratchNode.prepared({ enterNetwork: server.enter, enter });
      const [old, young] = [`${kubeletDirectory}/pods/old`, `${kubeletDirectory}/pods/young`];
      await gluster(node, `${server.address}:v1`, old);
      const [daemon] = node.processesOf('glusterfs');
      t.is(node.entriesOf(old).length, node.entriesPerVolume);

      t.regex(
        await node.mustRun('install', offer(node, secondTar, 'rootfs.tar', { enter })),
        enter === 'chroot'
          ? /\ndetached .*\/var\/lib\/kubelet, which is no longer used\n/
          : /\numount -l .*\/namespaces\/[0-9a-f]{12}\.1\/helpers\n/,
      );
      isCurrent(t, node, second);
      t.is(
        node.entriesOf(old).length,
        node.entriesPerVolume,
        'the new version has it, and the old one no more',
      );
      t.is(await node.mustRun('prepare'), 'prepared already; nothing to do\n');
      await node.shell(`echo one >${old}/file; sync; mkdir ${old}/made; rmdir ${old}/made`);
      t.is(readFileSync(`${server.brickPath('v1')}/file`, 'utf8'), 'one\n');
      t.deepEqual(node.processesOf('glusterfs'), daemon === undefined ? [] : [daemon], 'the same daemon');

      await gluster(node, `${server.address}:v2`, young);
      t.is(node.entriesOf(young).length, node.entriesPerVolume);
      const newDaemon = node.processesOf('glusterfs').find(({ pid }) => pid !== daemon?.pid);
      const rootOf = (pid = 0) => statSync(`${node.path('/proc')}/${pid}/root/.`).ino;
      const inodeOf = (digest: string) => statSync(node.path(directoryOf(digest))).ino;
      t.is(rootOf(daemon?.pid), inodeOf(first));
      t.is(rootOf(newDaemon?.pid), inodeOf(second), 'new mounts use the new version');

      const before = await listed(node, first);
      t.deepEqual(
        before.processes.map(({ pid, program }) => ({ pid, program })),
        [{ pid: daemon?.pid, program: 'glusterfs' }],
      );
      t.regex(
        await node.mustRun('versions'),
        new RegExp(`glusterfs \\(process ${daemon?.pid}\\) runs from it`),
      );
      t.regex(
        await node.mustRun('prune', '--keep', '1'),
        new RegExp(`^kept ${first}: glusterfs \\(process ${daemon?.pid}`),
      );
      t.is(await node.shell(`cat ${old}/file`), 'one\n');

      await node.shell(`umount ${old}`);
      while (node.processesOf('glusterfs').length > 1) await setTimeout(20);
      t.deepEqual(node.entriesOf(old), []);
      t.is(await node.mustRun('prune', '--keep', '1'), `removed ${first}\n`);
      t.deepEqual(installedVersions(node), [second]);
      t.deepEqual(mountsIn(node, first), []);
      t.is(node.entriesOf(young).length, node.entriesPerVolume);
      await node.shell(`echo two >${young}/file`);
      t.is(readFileSync(`${server.brickPath('v2')}/file`, 'utf8'), 'two\n');
      await node.shell(`umount ${young}`);
    },
  );
}

test.serial(
  'back and forward again, each with its manifest and with the resolv.conf of kubelet',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const limits = { mountSeconds: 60, daemonSeconds: 5, terminateSeconds: 1 };
    await node.shell(`echo 'nameserver 10.96.0.10' >${mounterHome}/rootfs/etc/resolv.conf`);
    await node.mustRun('install', offer(node, secondTar, 'second.tar', { limits }));
    const secondManifest = node.read(`${mounterHome}/rootfs-manifest.json`);
    const steps = [
      [[], first, manifestText],
      [[], second, secondManifest],
      [[first], first, manifestText],
      [[second.slice(7, 19)], second, secondManifest],
      [[first.slice(0, 16)], first, manifestText],
    ] as const;
    const kept = await node.mountVolume('kept');
    for (const [operands, digest, manifest] of steps) {
      t.regex(await node.mustRun('rollback', ...operands), new RegExp(`\nswitched to ${digest}\n$`));
      isCurrent(t, node, digest);
      t.is(node.read(`${mounterHome}/rootfs-manifest.json`), manifest);
      t.is(node.read(`${directoryOf(digest)}/etc/resolv.conf`), 'nameserver 10.96.0.10\n');
      t.is((await node.mounter('status')).status, 0, 'prepared');
      t.is(node.entriesOf(kept).length, node.entriesPerVolume);
      const target = await node.mountVolume('new');
      t.is(node.entriesOf(target).length, node.entriesPerVolume, 'a mount appears on the host');
      await node.shell(`umount ${target}`);
    }
    t.is(await node.mustRun('rollback', first), `in use already: ${first}\n`);
    t.like(await listed(node, second), { isPrevious: true, isCurrent: false });
    await node.shell(`umount ${kept}`);
  },
);

test.serial('prune takes away a version that was moved to another disk, and the link to it', async (t) => {
  await using node = await ScratchNode.installed();
  await node.mustRun('install', offer(node, secondTar));
  await node.shell(`mkdir -p /tmp/disk && mount -t tmpfs disk /tmp/disk
    mv ${directoryOf(first)} /tmp/disk/first && ln -s /tmp/disk/first ${directoryOf(first)}`);
  t.is(await node.mustRun('prune', '--keep', '1'), `removed ${first}\n`);
  t.is(await node.shell('ls /tmp/disk'), '');
  // As a kill before the end leaves it.
  await node.shell(`ln -s /tmp/disk/first ${directoryOf(first)}`);
  t.is(await node.mustRun('prune', '--keep', '1'), `removed ${first}\n`);
  t.is(await node.mustRun('prune', '--keep', '1'), 'nothing to remove\n');
  t.deepEqual(unfinished(node), []);
});

test.serial('a rollback to what is not there', async (t) => {
  await using node = await ScratchNode.installed();
  for (const [operands, says] of [
    [[], /^mounter: .*versions: no version was in use before this one, or it was removed\nhint: /],
    [['0123abcd'], /^mounter: 0123abcd: no version with this digest is installed\nhint: mounter versions/],
    [[`sha256:${'0'.repeat(64)}`], /: no version with this digest is installed\n/],
    [['../../etc'], /^mounter: \.\.\/\.\.\/etc: no version with this digest/],
    [[first, second], /: is one operand too many/],
  ] as const) {
    const { status, stderr } = await node.mounter('rollback', ...operands);
    t.is(status, 1);
    t.regex(stderr, says);
  }
  isCurrent(t, node, first);
  await node.mustRun('install', offer(node, secondTar));
  await node.mustRun('prune', '--keep', '1');
  t.regex((await node.mounter('rollback')).stderr, /or it was removed\n/);
});

test.serial('a damaged version is not switched to; its install mends it', async (t) => {
  await using node = await ScratchNode.installed();
  await node.mustRun('install', offer(node, secondTar));
  await node.shell(
    `rm ${directoryOf(first)}/usr/sbin/rpcbind ${directoryOf(first)}/usr/lib/x86_64-linux-gnu/libwrap.so.0*`,
  );
  const { status, stderr } = await node.mounter('rollback');
  t.is(status, 2);
  t.regex(
    stderr,
    /is damaged: .*libwrap\.so\.0 \(missing\), .*\/usr\/sbin\/rpcbind \(missing\)\nhint: run mounter install \/mnt\/dist\/rootfs\.tar\.zst, /,
  );
  isCurrent(t, node, second);
  await node.mustRun('install', rootfsTar);
  isCurrent(t, node, first);
  t.true(existsSync(node.path(`${directoryOf(first)}/usr/sbin/rpcbind`)));
  t.deepEqual(unfinished(node), []);
});

test.serial(
  'a version of an earlier mounter, which recorded no files, is tried; its install records them',
  async (t) => {
    await using node = await ScratchNode.installed();
    const less = directoryOf(first);
    await node.mustRun('install', offer(node, secondTar));
    const libraries = `${less}/usr/lib/x86_64-linux-gnu`;
    await node.shell(`rm ${less}/.mounter-tree.json; mv ${libraries}/libwrap.so.0 ${less}/root`);
    const { status, stderr } = await node.mounter('rollback', first);
    t.is(status, 2);
    t.regex(stderr, /is damaged: the rootfs cannot run .*\/sbin\/rpcbind \(libwrap\.so\.0: cannot open/);
    await node.shell(`mv ${less}/root/libwrap.so.0 ${libraries}`);
    await node.mustRun('rollback', first);
    isCurrent(t, node, first);
    t.regex(await node.mustRun('install', rootfsTar), /^installed already/);
    t.true(existsSync(node.path(`${less}/.mounter-tree.json`)));
  },
);

test.serial('prune keeps the current and the previous version, and what is in use', async (t) => {
  await using node = await upgraded();
  const kept = await node.mountVolume('kept');
  await node.mustRun('install', offer(node, thirdTar));
  t.is(await node.mustRun('prune', '--dry-run'), `would remove ${first}\n`);
  t.deepEqual(installedVersions(node), [first, second, third].sort());
  const sleeping = node.run(['chroot', directoryOf(first), 'sleep', '1000']);
  while (node.processesOf('sleep').length === 0) await setTimeout(20);
  t.regex(
    await node.mustRun('prune'),
    new RegExp(`^kept ${first}: sleep \\(process \\d+\\) runs from it\n$`),
  );
  t.regex(await node.mustRun('versions'), /sleep \(process \d+\) runs from it/);
  await node.shell('kill $(pidof sleep)');
  await sleeping;
  await node.shell(
    `mount -t tmpfs somebodys ${directoryOf(first)}/root; touch ${directoryOf(first)}/root/theirs`,
  );
  t.regex(await node.mustRun('prune'), new RegExp(`^kept ${first}: somebodys is mounted on .*/root\n$`));
  t.true(existsSync(node.path(`${directoryOf(first)}/root/theirs`)));
  await node.shell(`umount ${directoryOf(first)}/root`);
  t.is(await node.mustRun('prune'), `removed ${first}\n`);
  t.is(await node.mustRun('prune'), 'nothing to remove\n');
  t.deepEqual(installedVersions(node), [second, third].sort());
  t.deepEqual(mountsIn(node, first), []);
  t.is((await node.run(['mountpoint', '-q', kept])).status, 0, 'the volume on the host stays');
  t.is(node.entriesOf(kept).length, node.entriesPerVolume);
  t.is((await node.mounter('status')).status, 0);
  for (const words of [['--keep', '0'], ['--keep', 'x'], ['--keep=-1']])
    t.is((await node.mounter('prune', ...words)).status, 1);
  await node.mustRun('rollback');
  isCurrent(t, node, second);
  t.is(await node.mustRun('prune', '--keep', '1'), `removed ${third}\n`);
  t.deepEqual(unfinished(node), []);
  await node.shell(`umount ${kept}`);
});

test.serial('chroot: the old view of the kubelet directory stays while a helper may need it', async (t) => {
  await using node = await ScratchNode.prepared({ enter: 'chroot' });
  const volume = await node.mountVolume('volume');
  const helper = node.run(['chroot', `${mounterHome}/rootfs`, 'sleep', '1000']);
  while (node.processesOf('sleep').length === 0) await setTimeout(20);
  await node.mustRun('install', offer(node, secondTar, 'rootfs.tar', { enter: 'chroot' }));
  t.is(node.entriesOf(volume).length, 3);
  t.is(await node.mustRun('prepare'), 'prepared already; nothing to do\n');
  await node.shell('kill $(pidof sleep)');
  await helper;
  t.regex(
    await node.mustRun('prepare'),
    /^detached .*\/var\/lib\/kubelet, which is no longer used\nprepared\n$/,
  );
  t.is(node.entriesOf(volume).length, node.entriesPerVolume);
  t.is((await node.run(['mountpoint', '-q', volume])).status, 0);
  await node.shell(`umount ${volume}`);
  t.deepEqual(node.entriesOf(volume), []);
});

/** Mounts a tmpfs in the place of an NFS volume. */
const standIn = '#!/bin/sh\n[ "$1" != -V ] || exec echo 1\nexec mount -t tmpfs "$1" "$2"\n';

function rootfsWithStandIn(name: string): Promise<Buffer> {
  return changedTar(/usr\/sbin\/mount\.nfs$/, (archive) => {
    archive.entry({ name: 'usr/sbin/mount.nfs', mode: 0o755 }, standIn);
    archive.entry({ name }, 'here');
  });
}

test.serial(
  'versions and the way into them are switched to and fro, and no mount fails meanwhile',
  async (t) => {
    const [chrooted, namespaced] = [
      await rootfsWithStandIn('chrooted'),
      await rootfsWithStandIn('namespaced'),
    ];
    await using node = await ScratchNode.start();
    await node.mustRun('install', offer(node, namespaced));
    await node.mustRun('prepare');
    const call = `${mounterHome}/mounter mount -t nfs -o vers=4`;
    const mounting = [1, 2].map((caller) => {
      const target = `${kubeletDirectory}/pods/u/volumes/v${caller}`;
      // prepare binds the kubelet directory on itself for chroot: what came meanwhile is hidden until it looks again.
      const unmount = `umount ${target} 2>/dev/null || { sleep 1; umount ${target}; }`;
      const cycle = `${call} server:/export ${target} || exit 9; ${unmount}; count=$((count + 1))`;
      return node.shell(
        `mkdir -p ${target}; count=0; while [ ! -e /run/stop ]; do ${cycle}; done; echo $count`,
      );
    });
    const ended = Promise.all(mounting);
    const switching = async () => {
      for (let round = 0; round < 3; round += 1) {
        await node.mustRun('install', offer(node, chrooted, 'chrooted.tar', { enter: 'chroot' }));
        await node.mustRun('prepare');
        await node.mustRun('install', offer(node, namespaced, 'namespaced.tar', { enter: 'attach' }));
        await node.mustRun('rollback');
        await node.setEnter('attach');
        await node.mustRun('prepare');
        await node.mustRun('install', offer(node, chrooted, 'chrooted.tar', { enter: 'chroot' }));
        await node.mustRun('install', offer(node, chrooted, 'chrooted.tar', { enter: 'attach' }));
      }
    };
    await Promise.race([switching(), ended]);
    await node.shell('touch /run/stop');
    for (const count of await ended) t.true(Number(count) > 10, `${count} mounts`);
    const volume = await node.mountVolume('volume');
    t.is(node.entriesOf(volume).length, 1);
  },
);

test.serial('an image has no say in how it is entered', async (t) => {
  const hostile = await changedTar(/^$/, (archive) =>
    archive.entry({ name: '.mounter-namespace', type: 'symlink', linkname: '/proc/1/ns/mnt' }),
  );
  await using node = await ScratchNode.start();
  await node.mustRun('install', offer(node, hostile));
  t.is((await node.run(['test', '-L', `${mounterHome}/rootfs/.mounter-namespace`])).status, 1);
  await node.mustRun('prepare');
  t.is((await node.mounter('status')).status, 0);
});

test.serial('versions says what there is', async (t) => {
  await using node = await ScratchNode.start();
  t.is(await node.mustRun('versions'), 'none: run mounter install SOURCE\n');
  t.is(await node.mustRun('prune'), 'nothing is installed; nothing to do\n');
  await node.mustRun('install', rootfsTar);
  await node.mustRun('install', offer(node, secondTar));
  const [latest, oldest] = await list(node);
  t.like(latest, { digest: second, isCurrent: true, isPrevious: false, processes: [], mounts: [] });
  t.like(oldest, { digest: first, isCurrent: false, isPrevious: true, reference: rootfsTar });
  t.true((oldest?.bytes ?? 0) > 30e6);
  const text = await node.mustRun('versions');
  t.regex(
    text,
    /^STATE +DIGEST +INSTALLED +SIZE +REFERENCE\ncurrent +sha256:[0-9a-f]{12} +\d{4}-.*Z +\d+\.\d MB +\/mnt\/shared\/rootfs.tar\nprevious /,
  );
});

test.serial('a version of before there were records', async (t) => {
  await using node = await ScratchNode.installed();
  await node.shell(`rm ${directoryOf(first)}.json`);
  t.regex(await node.mustRun('versions'), /current +sha256:[0-9a-f]{12} +- +- +-\n/);
  await node.mustRun('install', offer(node, secondTar));
  await node.mustRun('rollback');
  isCurrent(t, node, first);
  t.is(node.read(`${mounterHome}/rootfs-manifest.json`), manifestText);
});

test.serial('a version of a lower layer is removed where it is: half of it is no version', async (t) => {
  await using node = await upgraded();
  const killed =
    'strace -f -qq -o /dev/null -e trace=unlink,unlinkat -e inject=unlink,unlinkat:signal=KILL:when=300';
  const { status } = await node.run([...killed.split(' '), mounter, 'prune', '--keep', '1']);
  t.not(status, 0);
  t.true(existsSync(node.path(`${directoryOf(first)}/usr`)), 'half of it is there');
  t.deepEqual(
    (await list(node)).map(({ digest }) => digest),
    [second],
  );
  t.regex(
    (await node.mounter('rollback')).stderr,
    /no version was in use before this one, or it was removed/,
  );
  await node.mustRun('prune');
  t.deepEqual(installedVersions(node), [second]);
  t.deepEqual(unfinished(node), []);
  await node.mustRun('install', rootfsTar);
  t.is((await listed(node, second)).isPrevious, true);
  isCurrent(t, node, first);
});

test.serial('prune killed at any moment: every version is whole or gone', async (t) => {
  // Of overlayfs's lower layer is none.
  await using node = await upgraded({ home: 'mode=0755' });
  for (let moment = 0; moment < rounds(4, 10); moment += 1) {
    await node.mustRun('install', rootfsTar);
    await node.mustRun('install', offer(node, secondTar));
    const seconds = (0.02 + Math.random() * 0.12).toFixed(3);
    await node.run(['timeout', '--foreground', '-s', 'KILL', seconds, mounter, 'prune', '--keep', '1']);
    for (const digest of installedVersions(node)) {
      const files = readdirSync(node.path(`${directoryOf(digest)}/usr/sbin`));
      t.true(files.includes('rpcbind') && files.includes('mount.nfs'), `killed after ${seconds} s`);
    }
    isCurrent(t, node, second, `killed after ${seconds} s`);
    await node.mustRun('prune', '--keep', '1');
    t.deepEqual(installedVersions(node), [second]);
    t.deepEqual(unfinished(node), []);
  }
  t.is(statSync(node.path(kubeletDirectory)).isDirectory(), true);
});
