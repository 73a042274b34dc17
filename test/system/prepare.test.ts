import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { momentsOver, rounds } from '../support/long-run.ts';
import { describeMounts } from '../support/node/describe-mounts.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import {
  dist,
  fuseMount,
  installedMounter,
  kubeletDirectory,
  mounter,
  mounterHome,
  rootfsTar,
  ScratchNode,
} from '../support/node/namespace.ts';
import { currentVersion } from '../support/node/rootfs-versions.ts';

const rootfs = `${mounterHome}/rootfs`;
const pins = '/run/containerized-mounter/namespaces';
const locks = '/run/containerized-mounter/locks';
const already = 'prepared already; nothing to do\n';

/** One new volume costs the host's entry, and one more where the rootfs has its mounts on the host. */
async function costsNoMore(
  t: ExecutionContext,
  node: ScratchNode,
  entries = node.entriesPerVolume,
): Promise<void> {
  const volume = await node.mountVolume('one');
  t.is(node.entriesOf(volume).length, entries);
  await node.shell(`mountpoint -q ${volume}; umount ${volume}; rmdir ${volume}`);
  t.is(node.entriesOf(volume).length, 0, 'unmounted on the host is unmounted in the rootfs');
}

/** What a volume costs that the host's own mount(8) mounts. */
async function entriesOfHostsOwn(node: ScratchNode): Promise<number> {
  const target = `${kubeletDirectory}/own`;
  await node.shell(`mkdir ${target}; mount -t tmpfs own ${target}`);
  const { length } = node.entriesOf(target);
  await node.shell(`umount ${target}; rmdir ${target}`);
  return length;
}

/** No mount of ours, no process; the kubelet directory stands. */
async function leavesNothing(t: ExecutionContext, node: ScratchNode): Promise<void> {
  t.deepEqual(
    node.mountinfo().filter(({ mountPoint }) => /containerized.mounter/.test(mountPoint)),
    [],
  );
  t.deepEqual(node.processes(), []);
  t.true(statSync(node.path(kubeletDirectory)).isDirectory());
}

for (const [propagation, enter] of [
  ['shared', 'attach'],
  ['private', 'attach'],
  ['shared', 'chroot'],
] as const) {
  const title = `${enter}, / ${propagation}`;

  test.serial(
    `${title}: ten prepares, then a volume is no entry too many; teardown leaves none`,
    async (t) => {
      await using node = await ScratchNode.installed({ propagation, enter });
      const before = node.mountinfo().map(({ mountPoint }) => mountPoint);
      writeFileSync(node.path(`${kubeletDirectory}/kept`), 'content');
      t.regex(await node.mustRun('prepare'), /\nprepared\n$/);
      for (let again = 2; again <= 10; again += 1) t.is(await node.mustRun('prepare'), already);
      await costsNoMore(t, node);
      await node.mustRun('teardown');
      t.deepEqual(
        node.mountinfo().map(({ mountPoint }) => mountPoint),
        before,
      );
      await leavesNothing(t, node);
      t.is(node.read(`${kubeletDirectory}/kept`), 'content');
      t.is(await node.mustRun('teardown'), 'not prepared; nothing to do\n');
      t.regex(await node.mustRun('prepare'), /\nprepared\n$/);
      await costsNoMore(t, node);
    },
  );

  test.serial(`${title}: a kubelet directory that is a filesystem of its own stays mounted`, async (t) => {
    await using node = await ScratchNode.installed({ propagation, enter });
    await node.shell(`mount -t tmpfs -o mode=755 disk ${kubeletDirectory}`);
    await node.mustRun('prepare');
    t.is(await node.mustRun('prepare'), already);
    await costsNoMore(t, node);
    await node.mustRun('teardown');
    t.is(await node.shell(`findmnt -no SOURCE ${kubeletDirectory}`), 'disk\n');
    await leavesNothing(t, node);
  });

  test.serial(`${title}: a kubelet directory bound on itself in the peer group of /`, async (t) => {
    await using node = await ScratchNode.installed({ propagation, enter });
    await node.shell(`mount --bind ${kubeletDirectory} ${kubeletDirectory}`);
    const own = await entriesOfHostsOwn(node);
    await node.mustRun('prepare');
    t.is(await node.mustRun('prepare'), already);
    // Where nothing is shared with the rootfs, the directory stays in the peer group that it is in.
    await costsNoMore(t, node, enter === 'attach' ? own : node.entriesPerVolume);
    await node.mustRun('teardown');
    t.is(node.entriesOf(kubeletDirectory).length, 1, 'not bound by us, not unmounted by us');
  });

  test.serial(`${title}: a home that is a noexec filesystem of its own`, async (t) => {
    await using node = await ScratchNode.start({ propagation });
    await node.shell(`mkdir -p ${mounterHome}; mount -t tmpfs -o noexec,nosuid disk ${mounterHome}`);
    await node.mustRun('install', '/mnt/dist/rootfs.tar.zst');
    await node.setEnter(enter);
    // What lies in it cannot be executed yet, or no more: the one that was downloaded can.
    await node.shell(`${mounter} prepare`);
    t.is(await node.mustRun('prepare'), already);
    t.is(await node.mustRun('exec', '--', 'echo', 'runs'), 'runs\n');
    t.is((await node.run([`${mounterHome}/mounter`, 'status'])).status, 0);
    t.true(node.entriesOf(mounterHome).at(-1)?.mountOptions.includes('nosuid'));
    await node.mustRun('teardown');
    t.is(await node.shell(`findmnt -no SOURCE ${mounterHome}`), 'disk\n', 'not mounted by us');
    t.true(statSync(node.path(`${mounterHome}/mounter`)).isFile());
    await node.shell(`${mounter} prepare`);
    await costsNoMore(t, node);
  });

  test.serial(`${title}: a home below a noexec bind of its directory on itself`, async (t) => {
    await using node = await ScratchNode.installed({ propagation, enter });
    // Where / is shared this bind is a peer of it, and what is bound on it is copied beneath it.
    await node.shell('mount --bind /home /home; mount -o remount,bind,noexec,nosuid /home');
    const before = node.mountinfo().map(({ mountPoint }) => mountPoint);
    await node.shell(`${mounter} prepare`);
    t.is(await node.mustRun('prepare'), already);
    t.is(await node.mustRun('exec', '--', 'echo', 'runs'), 'runs\n');
    t.true(node.entriesOf(mounterHome).at(-1)?.mountOptions.includes('nosuid'));
    await costsNoMore(t, node);
    await node.shell(`${mounter} teardown`);
    t.deepEqual(
      node.mountinfo().map(({ mountPoint }) => mountPoint),
      before,
    );
    await leavesNothing(t, node);
  });

  test.serial(`${title}: the kubelet directory is a symlink`, async (t) => {
    await using node = await ScratchNode.installed({ propagation, enter });
    await node.shell(
      `rmdir ${kubeletDirectory}; mkdir /var/lib/data /var/lib/data/kubelet; ln -s data/kubelet ${kubeletDirectory}`,
    );
    await node.mustRun('prepare');
    t.is(await node.mustRun('prepare'), already);
    await node.mountVolume('v');
    t.is(node.entriesOf('/kubelet/pods/v').length, node.entriesPerVolume);
    t.is((await node.mounter('status')).status, 0);
    await node.shell(`umount ${kubeletDirectory}/pods/v`);
    await node.mountGlusterfs('g');
    t.is((await node.mounter('teardown')).status, 2, 'a volume below it is seen');
    await node.mustRun('teardown', '--unmount-volumes');
    await leavesNothing(t, node);
  });

  test.serial(`${title}: prepare killed at any moment is finished by the next one`, async (t) => {
    await using node = await ScratchNode.installed({ propagation, enter });
    const before = node.mountinfo().length;
    await node.mustRun('prepare');
    const wanted = describeMounts(node);
    for (const seconds of momentsOver(rounds(5, 12), 0.03, 0.21)) {
      await node.mustRun('teardown');
      t.is(node.mountinfo().length, before);
      await node.run(['timeout', '--foreground', '-s', 'KILL', seconds, mounter, 'prepare']);
      await node.mustRun('prepare');
      t.is(await node.mustRun('prepare'), already, `killed after ${seconds} s`);
      t.deepEqual(describeMounts(node), wanted, `killed after ${seconds} s`);
    }
    await costsNoMore(t, node);
  });
}

for (const enter of enterModes) {
  test.serial(
    `${enter}: live node, / shared: volumes from before stay, and go when the host unmounts them`,
    async (t) => {
      await using node = await ScratchNode.installed({ enter });
      const old = await node.mountGlusterfs('old');
      await node.mustRun('prepare');
      t.is(await node.mustRun('prepare'), already);
      t.is(node.entriesOf(old).length, node.entriesPerVolume);
      await costsNoMore(t, node);
      await node.shell(`umount ${old}; rmdir ${old}`);
      t.is(node.entriesOf(old).length, 0);
      t.is(await node.mustRun('prepare'), already);
      await costsNoMore(t, node);
    },
  );
}

test.serial('chroot: live node, / private: refused with what to do, and the volume stays', async (t) => {
  await using node = await ScratchNode.installed({ propagation: 'private', enter: 'chroot' });
  const old = await node.mountGlusterfs('old');
  const { status, stderr } = await node.mounter('prepare');
  t.is(status, 2);
  t.regex(
    stderr,
    /^mounter: \/var\/lib\/kubelet: 1 mounts? .* not shared\nhint: run mount --make-rshared \/var\/lib/,
  );
  t.is(node.entriesOf(old).length, 1);
  await node.shell('mount --make-shared /var/lib');
  await node.mustRun('prepare');
  t.is(node.entriesOf(old).length, node.entriesPerVolume);
});

test.serial('attach: live node, / private: nothing of it needs to be shared', async (t) => {
  await using node = await ScratchNode.installed({ propagation: 'private', enter: 'attach' });
  const old = await node.mountGlusterfs('old');
  await node.mustRun('prepare');
  t.is(await node.mustRun('prepare'), already);
  t.is(node.entriesOf(old).length, 1);
  t.deepEqual(
    node.mountinfo().filter(({ peerGroup }) => peerGroup !== undefined),
    [],
  );
  await costsNoMore(t, node);
});

for (const enter of enterModes) {
  test.serial(
    `${enter}: live node, kubelet directory bound in the peer group of /: unmounting a volume leaves no hidden one`,
    async (t) => {
      await using node = await ScratchNode.installed({ enter });
      await node.shell(`mount --bind ${kubeletDirectory} ${kubeletDirectory}`);
      const old = await node.mountGlusterfs('old');
      await node.mustRun('prepare');
      t.is(await node.mustRun('prepare'), already);
      await node.shell(`umount ${old}; rmdir ${old}`);
      t.is(node.entriesOf(old).length, 0);
    },
  );
}

test.serial('attach: prepare, mounts and teardown leave the kubelet directory as it was', async (t) => {
  await using node = await ScratchNode.installed({ enter: 'attach' });
  const around = () =>
    node.mountinfo().filter(({ mountPoint }) => /^\/(var|home)(\/|$)|^\/$/.test(mountPoint));
  const before = around();
  await node.mustRun('prepare');
  t.deepEqual(around(), before, 'no entry more, no peer group, no other option');
  await costsNoMore(t, node);
  await node.mustRun('teardown');
  t.deepEqual(around(), before);
});

/** A mount(8) that mounts a volume just before the kubelet directory is bound on itself, and does `then` after that. */
async function placeEarlierVolume(node: ScratchNode, volume: string, then: string): Promise<void> {
  const script = `#!/bin/sh
case "$*" in
*--bind*${kubeletDirectory}\\ ${kubeletDirectory})
  [ -e /tmp/once ] || {
    mkdir -p ${volume}; /tmp/mount -t tmpfs now ${volume}; mkdir ${volume}/inner
    /tmp/mount -t tmpfs inner ${volume}/inner; touch /tmp/once ${volume}/inner/file; ${then}
  } ;;
esac
exec /tmp/mount "$@"
`;
  await node.run(['tee', '/tmp/wrapper'], { input: script });
  await node.shell(
    `cp /usr/bin/mount /tmp/mount; chmod 755 /tmp/wrapper; mount --bind /tmp/wrapper /usr/bin/mount`,
  );
}

for (const propagation of ['shared', 'private'] as const) {
  const volume = `${kubeletDirectory}/pods/now`;

  /** It is in sight, with what is mounted on it, and is gone when it is unmounted. */
  const staysInSight = async (t: ExecutionContext, node: ScratchNode) => {
    await node.shell(`test -e /tmp/once; test -e ${volume}/inner/file`);
    t.is(await node.mustRun('prepare'), already);
    t.is((await node.mounter('status')).status, 0);
    t.is(node.entriesOf(volume).length, 2);
    await node.shell(`umount ${volume}/inner ${volume}; rm -r ${volume}`);
    t.deepEqual(node.entriesOf(volume), []);
  };

  test.serial(
    `chroot, / ${propagation}: a volume that comes while prepare binds the kubelet directory stays in sight`,
    async (t) => {
      await using node = await ScratchNode.installed({ enter: 'chroot', propagation });
      await placeEarlierVolume(node, volume, '');
      await node.mustRun('prepare');
      await staysInSight(t, node);
    },
  );

  for (const [after, step] of [
    ['that bind', '/tmp/mount --no-canonicalize "$@"; kill -KILL $PPID; exit'],
    [
      'the bind without a group of its own',
      `/tmp/mount --bind ${kubeletDirectory} ${kubeletDirectory}; kill -KILL $PPID; exit`,
    ],
  ] as const)
    test.serial(
      `chroot, / ${propagation}: killed after ${after}, the next prepare brings the volume into sight`,
      async (t) => {
        await using node = await ScratchNode.installed({ enter: 'chroot', propagation });
        await placeEarlierVolume(node, volume, step);
        t.not((await node.run([mounter, 'prepare'])).status, 0);
        t.not((await node.run(['test', '-e', `${volume}/inner`])).status, 0, 'it is hidden');
        const later = `${kubeletDirectory}/pods/later`;
        if (after === 'that bind') await node.shell(`mkdir ${later}; mount -t tmpfs later ${later}`);
        t.regex(await node.mustRun('prepare'), /^brought \/var\/lib\/kubelet\/pods\/now into sight$/m);
        if (after === 'that bind') await node.shell(`mountpoint -q ${later}; umount ${later}`);
        await staysInSight(t, node);
        await node.mustRun('teardown');
        t.deepEqual(node.entriesOf(kubeletDirectory), []);
      },
    );
}

for (const enter of enterModes)
  test.serial(`${enter}: a host path on a mount that another mount covers`, async (t) => {
    await using node = await ScratchNode.installed({ enter });
    const directory = '/var/lib/containerized-mounter';
    await node.shell(`mkdir -p ${directory}/nfs; mount --bind ${directory}/nfs ${directory}/nfs
      mount -o remount,bind,ro ${directory}/nfs; mount -t tmpfs over ${directory}`);
    await node.mustRun('prepare');
    t.is(await node.mustRun('prepare'), already);
    t.is((await node.mounter('status')).status, 0);
    await costsNoMore(t, node);
  });

test.serial('eight prepares at once do it once', async (t) => {
  await using node = await ScratchNode.installed();
  const said = await Promise.all(Array.from({ length: 8 }, () => node.mustRun('prepare')));
  t.is(said.filter((text) => text === already).length, 7);
  await costsNoMore(t, node);
});

test.serial('a prepare that has waited for another goes by the settings of then', async (t) => {
  await using node = await ScratchNode.installed();
  await node.shell(`mkdir -p -m 700 ${locks}; exec 9>${locks}/node; flock 9
    ${installedMounter} prepare 9>&- & until pidof flock; do sleep 0.1; done
    echo '{"enter": "chroot"}' >${mounterHome}/node-settings.json; exec 9>&-; wait $!`);
  t.is(await node.mustRun('prepare'), already);
});

test.serial(
  'chroot: a rootfs mount that was doubled is mended, and no volume of the host is lost',
  async (t) => {
    await using node = await ScratchNode.prepared({ enter: 'chroot' });
    const [volume, dead] = [await node.mountVolume('kept'), await node.mountGlusterfs('dead')];
    const version = (await node.shell(`realpath ${rootfs}`)).trim();
    for (const directory of [kubeletDirectory, '/proc', '/run']) {
      await node.shell(`mount --rbind ${directory} ${version}${directory}`);
    }
    t.is((await node.mounter('status')).status, 1, 'status sees it');
    await node.mustRun('prepare');
    t.is(await node.mustRun('prepare'), already);
    t.is((await node.mounter('status')).status, 0);
    await node.shell(`mountpoint -q ${volume}`);
    t.is(node.entriesOf(dead).length >= 2, true);
    await costsNoMore(t, node);
    await node.shell(`umount ${volume} ${dead}`);
  },
);

test.serial('chroot: a rootfs mount that is something else is mended', async (t) => {
  await using node = await ScratchNode.prepared({ enter: 'chroot' });
  const volume = await node.mountVolume('kept');
  const version = (await node.shell(`realpath ${rootfs}`)).trim();
  await node.shell(`mount --make-rprivate ${version}${kubeletDirectory}`);
  await node.shell(`umount -l ${version}/dev; mount -t tmpfs wrong ${version}/dev`);
  await node.shell(`mount -o remount,bind,ro ${version}/run`);
  t.is((await node.mounter('status')).status, 1);
  await node.mustRun('prepare');
  t.is(await node.mustRun('prepare'), already);
  t.is(node.entriesOf(volume).length, 2);
  t.is((await node.mounter('exec', '--', 'touch', '/run/written')).status, 0);
  await costsNoMore(t, node);
});

test.serial(
  'chroot: a home that was bound over, as the original mounter does at each start, is mended',
  async (t) => {
    await using node = await ScratchNode.prepared({ enter: 'chroot' });
    const volume = await node.mountVolume('kept');
    await node.shell(`mount --bind ${mounterHome} ${mounterHome}`);
    await node.mustRun('prepare');
    t.is(await node.mustRun('prepare'), already);
    t.is(node.entriesOf(volume).length, 2);
    await costsNoMore(t, node);
    await node.shell(`umount ${volume}`);
    await node.mustRun('teardown');
    await leavesNothing(t, node);
  },
);

test.serial('chroot: mounts in the rootfs from before home was a mount point are mended', async (t) => {
  await using node = await ScratchNode.installed({ enter: 'chroot' });
  const version = (await node.shell(`realpath ${rootfs}`)).trim();
  await node.shell(
    `mount --bind --make-private ${kubeletDirectory} ${kubeletDirectory}; mount --make-shared ${kubeletDirectory}`,
  );
  const volume = await node.mountGlusterfs('kept');
  await node.shell(
    `mkdir -p ${version}${kubeletDirectory}; mount --rbind ${kubeletDirectory} ${version}${kubeletDirectory}; mount --bind /proc ${version}/proc`,
  );
  await node.mustRun('prepare');
  t.is(await node.mustRun('prepare'), already);
  t.is(await node.shell(`findmnt -no FSTYPE ${volume}`), 'fuse.glusterfs\n');
  await costsNoMore(t, node);
  await node.shell(`umount ${volume}`);
  await node.mustRun('teardown');
  await leavesNothing(t, node);
});

test.serial('teardown refuses while volumes are mounted, and unmounts them when told to', async (t) => {
  await using node = await ScratchNode.prepared();
  const [first, second] = [await node.mountGlusterfs('a'), await node.mountGlusterfs('b')];
  const before = describeMounts(node);
  const refused = await node.mounter('teardown');
  t.is(refused.status, 2);
  t.regex(
    refused.stderr,
    /^mounter: teardown: volumes are mounted: 2, such as server:a on .*\nhint: .*--unmount-volumes\n$/,
  );
  t.deepEqual(describeMounts(node), before);
  const inside = node.mounter('exec', '--', 'sleep', '1000');
  await node.shell('until pidof sleep >/dev/null; do :; done');
  const busy = await node.mounter('teardown', '--unmount-volumes');
  t.is(busy.status, 2);
  t.regex(busy.stderr, /^mounter: teardown: process \d+ \(sleep\) runs inside the rootfs\nhint: /);
  t.deepEqual(describeMounts(node), before, 'refused before anything is unmounted');
  await node.shell('kill $(pidof sleep)');
  t.is((await inside).status, 143);
  await node.mustRun('teardown', '--unmount-volumes');
  t.is(node.entriesOf(first).length + node.entriesOf(second).length, 0);
  await leavesNothing(t, node);
});

test.serial(
  'teardown unmounts what was mounted while it unmounted, and refuses what has begun',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const first = await node.mountGlusterfs('a');
    const second = await node.mountGlusterfs('b');
    await node.shell(`umount ${second}`);
    const again = `${fuseMount('fuse.glusterfs', 'server:b', second)} 3<>/dev/fuse`;
    const begin = `${installedMounter} exec -- sleep 1000 </dev/null >/dev/null 2>&1 & until pidof sleep; do :; done`;
    writeFileSync(
      node.path('/tmp/umount'),
      `#!/bin/sh\n/tmp/umount.real "$@" || exit\nwhile read -r line; do eval "$line"; done </tmp/then\n>/tmp/then\n`,
    );
    await node.shell(`cp /usr/bin/umount /tmp/umount.real; chmod +x /tmp/umount
    mount --bind /tmp/umount /usr/bin/umount`);
    writeFileSync(node.path('/tmp/then'), `${again}\n${begin}\n`);
    const { status, stdout, stderr } = await node.mounter('teardown', '--unmount-volumes');
    t.is(status, 2);
    t.regex(stderr, /^mounter: teardown: process \d+ \(sleep\) runs inside the rootfs\nhint: /);
    t.is(stdout.match(/^unmounted /gm)?.length, 2, 'what was done is said all the same');
    t.is(node.entriesOf(first).length + node.entriesOf(second).length, 0);
    await node.shell(`kill $(pidof sleep); ${again}
      ${fuseMount('fuse.glusterfs', 'server:a', first)} 3<>/dev/fuse`);
    // kubelet is faster with the other one.
    writeFileSync(node.path('/tmp/then'), `/tmp/umount.real ${second}\n`);
    const done = await node.mustRun('teardown', '--unmount-volumes');
    t.is(done.match(/^unmounted /gm)?.length, 1, done);
    await node.shell('/tmp/umount.real /usr/bin/umount');
    await leavesNothing(t, node);
  },
);

test.serial(
  "teardown does not end well where the volumes' directory or a volume is in sight in its home",
  async (t) => {
    await using node = await ScratchNode.prepared();
    const odd = `"${mounterHome}/it's a disk"`;
    await node.shell(`mkdir -p ${kubeletDirectory}/pods/1 ${odd} && echo kept >${kubeletDirectory}/pods/1/file
    mount --bind ${kubeletDirectory}/pods ${odd}; mount -t tmpfs over ${odd}`);
    // Out of reach for who removes it all.
    await node.mustRun('teardown');
    await node.shell(`umount ${odd}`);
    const shown = await node.mounter('teardown');
    t.is(shown.status, 2);
    t.regex(shown.stderr, /^mounter: \S+it's a disk: shows \/var\/lib\/kubelet: /);
    const [, hint = 'false'] = /, or run (.*); then mounter teardown again$/m.exec(shown.stderr) ?? [];
    await node.shell(hint);
    await node.mustRun('teardown');
    await node.mustRun('prepare');
    const volume = await node.mountGlusterfs('a');
    await node.shell(`mount --bind ${volume} ${odd}; umount ${volume}`);
    const { status, stderr } = await node.mounter('teardown');
    t.is(status, 2);
    t.regex(stderr, /it's a disk: shows server:a: /);
    await node.shell(`umount ${odd}`);
    // Nor is anything removed that somebody has mounted on a directory of ours.
    const failures = '/run/containerized-mounter/failures';
    await node.shell(`mkdir -p ${failures}; mount -t tmpfs other ${failures}; echo kept >${failures}/file`);
    t.regex(
      await node.mustRun('teardown'),
      new RegExp(`^left ${failures} as it is: something is mounted in it$`, 'm'),
    );
    t.is(await node.shell(`cat ${failures}/file ${kubeletDirectory}/pods/1/file`), 'kept\nkept\n');
  },
);

test.serial("a Pod's volume on a path of ours, in the Pod, makes nothing of it ours", async (t) => {
  await using node = await ScratchNode.prepared();
  // Its own file, so that it has the name of a daemon that teardown ends.
  await node.shell(`mkdir -p /tmp/pod/run/containerized-mounter/kubelet /tmp/pod/usr /tmp/pod/old /tmp/pod/dev; touch /tmp/pod/dev/null
    for name in bin lib lib64; do ln -s usr/$name /tmp/pod/$name; done
    cp /usr/bin/sleep /tmp/pod/rpcbind; mount --bind /tmp/pod /tmp/pod; mount --bind /usr /tmp/pod/usr
    unshare --mount sh -c '
      mount -t tmpfs /opt/kubelet /tmp/pod/run/containerized-mounter/kubelet
      cd /tmp/pod; pivot_root . old; umount --no-canonicalize -l /old
      sleep 1000 & exec /rpcbind 1000' >/dev/null 2>&1 &
    until pidof rpcbind && pidof sleep; do :; done; umount /tmp/pod/usr /tmp/pod`);
  await node.mustRun('teardown');
  t.is(node.processesOf('rpcbind').length + node.processesOf('sleep').length, 2);
  await node.shell('kill $(pidof rpcbind sleep)');
});

test.serial(
  'a Pod that calls chroot(2) into a directory of the name of our version holds up no teardown',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const version = `${mounterHome}/${currentVersion(node)}`;
    await node.shell(`mkdir -p /tmp/pod/usr /tmp/pod/old /tmp/pod/dev /tmp/pod${version}; touch /tmp/pod/dev/null
    for name in bin lib lib64; do ln -s usr/$name /tmp/pod/$name; done
    mount --bind /tmp/pod /tmp/pod; mount --bind /usr /tmp/pod/usr
    unshare --mount sh -c '
      cd /tmp/pod; pivot_root . old; umount --no-canonicalize -l /old
      exec perl -e "chroot shift or die; sleep 1000" ${version}' >/dev/null 2>&1 &
    until [ "$(readlink /proc/$(pidof perl)/root)" = ${version} ]; do :; done; umount /tmp/pod/usr /tmp/pod`);
    t.deepEqual(JSON.parse(await node.mustRun('versions', '--json')).versions[0].processes, []);
    await node.mustRun('teardown');
    t.is(node.processesOf('perl').length, 1);
    await node.shell('kill $(pidof perl)');
  },
);

test.serial(
  'chroot: a mount at work in a mount namespace of its own, as of a unit with PrivateTmp=, holds up a teardown',
  async (t) => {
    await using node = await ScratchNode.prepared({ enter: 'chroot' });
    const start = `unshare --mount --propagation=slave chroot ${mounterHome}/rootfs sleep 1000`;
    await node.shell(`${start} >/dev/null 2>&1 & until pidof sleep; do :; done`);
    t.regex((await node.mounter('teardown')).stderr, /process \d+ \(sleep\) runs inside the rootfs/);
    await node.shell('kill $(pidof sleep)');
  },
);

test.serial(
  'chroot: teardown leaves a kubelet directory with other mounts as it is, and takes it back later',
  async (t) => {
    await using node = await ScratchNode.prepared({ enter: 'chroot' });
    await node.shell(`mkdir ${kubeletDirectory}/token; mount -t tmpfs token ${kubeletDirectory}/token`);
    t.regex(await node.mustRun('teardown'), /left \/var\/lib\/kubelet as it is/);
    t.is(await node.shell(`findmnt -no SOURCE ${kubeletDirectory}/token`), 'token\n');
    await node.shell(`umount ${kubeletDirectory}/token`);
    // As the rootfs of another MOUNTER_HOME has it.
    await node.shell(`mount --bind ${kubeletDirectory} /mnt/shared`);
    t.regex(await node.mustRun('teardown'), /left \/var\/lib\/kubelet as it is: \/mnt\/shared shows it\n/);
    await node.shell('umount /mnt/shared');
    t.regex(await node.mustRun('teardown'), /unmounted \/var\/lib\/kubelet\n/);
    t.is(node.entriesOf(kubeletDirectory).length, 0);
    t.is(await node.mustRun('teardown'), 'not prepared; nothing to do\n');
  },
);

for (const [filesystem, request] of [
  ['overlayfs', {}],
  ['a tmpfs', { home: 'mode=0755' }],
] as const)
  test.serial(
    `a MOUNTER_HOME on ${filesystem} that was removed before teardown leaves no pins; another one keeps its own`,
    async (t) => {
      await using node = await ScratchNode.prepared({ enter: 'attach', ...request });
      const elsewhere = await node.run([mounter, 'teardown'], {
        environment: { MOUNTER_HOME: '/home/other' },
      });
      t.is(elsewhere.stdout, `left ${pins} as it is, which another MOUNTER_HOME has prepared\n`);
      await costsNoMore(t, node);
      await node.shell(`rm -r ${mounterHome}`);
      t.true(node.mountinfo().some(({ mountPoint }) => mountPoint.startsWith(pins)));
      const { status, stdout, stderr } = await node.run([mounter, 'teardown']);
      t.is(status, 0, stderr);
      t.regex(stdout, /^umount -l .*\/services$/m);
      await leavesNothing(t, node);
      t.false(existsSync(node.path(pins)));
      t.is((await node.run([mounter, 'teardown'])).stdout, 'nothing is installed; nothing to do\n');
    },
  );

test.serial('what is done for one MOUNTER_HOME leaves the mounts of another one alone', async (t) => {
  await using node = await ScratchNode.prepared({ enter: 'attach' });
  const other = { environment: { MOUNTER_HOME: '/home/other' } };
  for (const words of [
    ['install', rootfsTar],
    // Not prepared by an install, since it is the other one that is in use.
    ['status'],
    ['prepare'],
    ['prepare'],
    ['install', rootfsTar],
    ['teardown'],
  ]) {
    const { status, stderr } = await node.run([mounter, ...words], other);
    t.is(status, words[0] === 'status' ? 1 : 0, `${words}: ${stderr}`);
    await costsNoMore(t, node);
    t.is(await node.mustRun('prepare'), already, `${words}`);
  }
  await node.mustRun('teardown');
  await leavesNothing(t, node);
  t.false(existsSync(node.path(pins)));
});

test.serial(
  'a link of ours to pins that another MOUNTER_HOME has by now does not make them ours',
  async (t) => {
    await using node = await ScratchNode.prepared({ enter: 'attach' });
    const link = `${mounterHome}/${await currentVersion(node)}/.mounter-namespaces`;
    const [name = ''] = readdirSync(node.path(pins));
    await node.mustRun('teardown');
    const other = { environment: { MOUNTER_HOME: '/home/other' } };
    await node.run([mounter, 'install', rootfsTar], other);
    await node.run([mounter, 'prepare'], other);
    t.true(readdirSync(node.path(pins)).includes(name), 'the first name that is free, as after a reboot');
    await node.shell(`ln -s ${pins}/${name} ${link}`);
    t.regex(await node.mustRun('teardown'), /which another MOUNTER_HOME has prepared\n$/);
    t.is((await node.run([mounter, 'prepare'], other)).stdout, already);
    // As after an earlier mounter, or where it has been moved: the next prepare says whose they are.
    await node.shell(`rm ${pins}/${name}/home`);
    t.is((await node.run([mounter, 'prepare'], other)).stdout, already);
    t.is(await node.shell(`cat ${pins}/${name}/home`), '/home/other');
  },
);

test.serial('a version that was moved away and installed again is prepared by that', async (t) => {
  await using node = await ScratchNode.prepared({ enter: 'attach' });
  await node.shell(`mv ${mounterHome}/${await currentVersion(node)} ${mounterHome}/broken`);
  await node.mustRun('install', rootfsTar);
  await costsNoMore(t, node);
  t.is(await node.mustRun('prepare'), already);
  await node.mustRun('teardown');
  t.false(existsSync(node.path(pins)));
});

test.serial(
  'with enter: chroot, a version on another disk is refused where a symlink leads to it',
  async (t) => {
    await using node = await ScratchNode.installed({ enter: 'chroot' });
    const elsewhere = '/home/kubernetes/versions';
    await node.shell(`mv ${mounterHome}/versions ${elsewhere}; ln -s ${elsewhere} ${mounterHome}/versions`);
    const before = describeMounts(node);
    const { status, stderr } = await node.mounter('prepare');
    t.is(status, 2);
    t.regex(
      stderr,
      /^mounter: \/home\/kubernetes\/versions\/[0-9a-f]{64}: lies outside of MOUNTER_HOME, .*\nhint: put a bind mount .*, or take "enter": /,
    );
    t.deepEqual(describeMounts(node), before);
    await node.shell(`rm ${mounterHome}/versions; mkdir ${mounterHome}/versions
    mount --bind ${elsewhere} ${mounterHome}/versions`);
    await node.mustRun('prepare');
    await costsNoMore(t, node);
  },
);

test.serial('a home below a noexec filesystem becomes executable', async (t) => {
  await using node = await ScratchNode.installed({ home: 'noexec,nosuid,nodev' });
  const { status, stderr } = await node.run([`${mounterHome}/mounter`, 'status']);
  t.not(status, 0, stderr);
  await node.shell(`${mounter} prepare`);
  t.is(await node.mustRun('prepare'), already);
  t.is((await node.run([`${mounterHome}/mounter`, 'status'])).status, 0);
  t.is(await node.mustRun('exec', '--', 'echo', 'runs'), 'runs\n');
  t.deepEqual(
    node.entriesOf(mounterHome)[0]?.mountOptions.filter((option) => option.startsWith('no')),
    ['nosuid', 'nodev'],
  );
});

test.serial('a tool that is not in the rootfs is named, with one that is', async (t) => {
  await using node = await ScratchNode.prepared();
  for (const [program, hint] of [
    ['shwomount', /^hint: did you mean showmount\?$/m],
    ['/usr/sbin/rpc-info', /^hint: did you mean rpcinfo\?$/m],
  ] as const) {
    const { status, stderr } = await node.mounter('exec', '--', program, '-e');
    t.is(status, 127);
    t.regex(
      stderr,
      new RegExp(`^mounter: ${program}: there is no such program in the rootfs\\nhint: .*\\n$`),
    );
    t.regex(stderr, hint);
  }
  const { stderr } = await node.mounter('exec', '--', 'a-tool-like-no-other');
  const [, command = ''] = /^hint: see what there is: (.*)$/m.exec(stderr) ?? [];
  t.regex(await node.shell(command), /^showmount$/m);
});

test.serial('resolv.conf in the rootfs is a file of its own', async (t) => {
  await using node = await ScratchNode.installed();
  const version = (await node.shell(`realpath ${rootfs}`)).trim();
  await node.shell(`ln -s /etc/resolv.conf ${version}/etc/resolv.conf`);
  await node.mustRun('prepare');
  t.regex(
    node.read(`${version}/etc/resolv.conf`),
    /^# Written by mounter.*\n# from .*\nnameserver 192\.0\.2\.53\n$/,
    "a copy of the host's",
  );
  await node.shell(`echo 'nameserver 10.96.0.10' >${rootfs}/etc/resolv.conf`);
  t.is(node.read('/etc/resolv.conf'), 'nameserver 192.0.2.53\n');
  t.is(await node.mustRun('prepare'), already);
  t.is(await node.mustRun('exec', '--', 'cat', '/etc/resolv.conf'), 'nameserver 10.96.0.10\n');
});

test.serial("copies of the node's files: what a killed process left of one is removed", async (t) => {
  await using node = await ScratchNode.prepared();
  await node.shell(`echo 192.0.2.9 nas >>/etc/hosts; echo half >${rootfs}/etc/hosts.new.999`);
  t.regex(await node.mustRun('prepare'), /^copied \/etc\/hosts of this node into \S+\nprepared\n$/);
  t.is(await node.shell(`ls ${rootfs}/etc | grep hosts`), 'hosts\n');
  t.is(await node.mustRun('prepare'), already);
});

test.serial('a umask of 077 does not shut rpc.statd out of the rootfs', async (t) => {
  await using node = await ScratchNode.start();
  await node.shell(`umask 077; ${mounter} install /mnt/dist/rootfs.tar.zst; ${mounter} prepare`);
  for (const path of [mounterHome, `${rootfs}/.`, `${rootfs}/usr/sbin`, `${mounterHome}/mounter`]) {
    t.is((await node.shell(`stat -c %a ${path}`)).trim(), '755', path);
  }
  // It begins its ways in the rootfs.
  t.is(statSync(node.path(`${mounterHome}/versions`)).mode & 0o777, 0o700);
  t.is(statSync(node.path(kubeletDirectory)).mode & 0o777, 0o750);
});

test.serial('new host directories begin as the image has them, owners included', async (t) => {
  await using node = await ScratchNode.prepared();
  const state = node.path('/var/lib/containerized-mounter/nfs');
  const image = (path: string) => statSync(node.path(`${rootfs}${path}`)).uid;
  t.true(readdirSync(state).includes('sm'));
  t.is(statSync(`${state}/sm`).uid, image('/var/lib/nfs/sm'));
  writeFileSync(`${state}/state`, 'kept');
  await node.mustRun('teardown');
  await node.mustRun('prepare');
  t.is(readFileSync(`${state}/state`, 'utf8'), 'kept');
});

test.serial('prepare without a rootfs, a manifest or root says what to do', async (t) => {
  await using node = await ScratchNode.start();
  t.regex(
    (await node.mounter('prepare')).stderr,
    /rootfs-manifest.json: there is no manifest.*\nhint: run mounter install/,
  );
  mkdirSync(node.path(mounterHome), { recursive: true });
  await node.shell(`cp /mnt/dist/rootfs-manifest.json ${mounterHome}`);
  const { status, stderr } = await node.mounter('prepare');
  t.is(status, 2);
  t.regex(
    stderr,
    /rootfs: no rootfs is installed\nhint: run mounter install SOURCE, then mounter prepare\n$/,
  );
  const other = await node.run([
    'setpriv',
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    mounter,
    'prepare',
  ]);
  t.is(other.status, 1);
  t.regex(other.stderr, /needs root\nhint: /);
});

test.serial('in a plain chroot prepare and install say that it is one, and what to do', async (t) => {
  await using node = await ScratchNode.installed();
  await node.shell(`mkdir /tmp/root; cd /tmp/root
    for path in /*; do
      if [ -L $path ]; then cp -a $path .; elif [ -d $path ]; then mkdir .$path; fi
      [ $path = /tmp ] || [ ! -d .$path ] || [ -L $path ] || mount --rbind $path .$path
    done`);
  const call = (...argv: readonly string[]) => node.run(['chroot', '/tmp/root', ...argv]);
  for (const argv of [
    [installedMounter, 'prepare'],
    [`${dist}/mounter`, 'install', rootfsTar],
  ]) {
    const { status, stderr } = await call(...argv);
    t.is(status, 2);
    t.regex(stderr, /^mounter: \/: \S.* does not work in a plain chroot: .*\nhint: run it on the host.*\n$/);
  }
});
