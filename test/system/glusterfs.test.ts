import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import {
  daemonsOf,
  mount,
  newTarget,
  nothingLeft,
  options,
  setting,
} from '../support/gluster/gluster-node.ts';
import { type GlusterServer, startGlusterServer } from '../support/gluster/gluster-server.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import { setLimits } from '../support/node/limits.ts';
import { kubeletDirectory, mounterHome, ScratchNode } from '../support/node/namespace.ts';

/** Real GlusterFS, from a server in a network namespace that the node shares. */

for (const enter of enterModes) {
  test.serial(
    `${enter}: a volume is mounted as kubelet asks for it: no entry too many, data on the brick, gone after umount`,
    async (t) => {
      await using s = await setting(enter);
      const target = await newTarget(s.node);
      t.deepEqual(await mount(s.node, s.source, target), { status: 0, stdout: '', stderr: '' });
      await s.node.shell(`echo hello >${target}/file`);
      t.is(readFileSync(`${s.server.brickPath('v1')}/file`, 'utf8'), 'hello\n');
      t.deepEqual(
        s.node.entriesOf(target).map(({ fstype, source }) => [fstype, source]),
        Array(s.node.entriesPerVolume).fill(['fuse.glusterfs', s.source]),
      );
      const status = JSON.parse((await s.node.mounter('status', '--json')).stdout);
      t.like(status.volumes[0], { source: s.source, target, entries: s.node.entriesPerVolume });
      await s.node.shell(`umount ${target}`);
      while (daemonsOf(target).length > 0) await setTimeout(20);
      nothingLeft(t, s.node, target);
    },
  );
}

test.serial('the daemon outlives the call and holds none of its descriptors', async (t) => {
  await using s = await setting();
  const target = await newTarget(s.node);
  // The call returns although its output is a pipe: kubelet waits for the end of that pipe.
  const command = `${mounterHome}/mounter mount -t glusterfs -o log-level=ERROR ${s.source} ${target} 7</etc/hostname 9>/tmp/held`;
  t.deepEqual(await s.node.run(['bash', '-c', command]), { status: 0, stdout: '', stderr: '' });
  const [daemon = 0] = daemonsOf(target);
  const held = readdirSync(`/proc/${daemon}/fd`).map((fd) => readlinkSync(`/proc/${daemon}/fd/${fd}`));
  for (const link of held)
    t.regex(link, /^(socket:|anon_inode:|.*\/dev\/(null|fuse)$|.*\/var\/log\/.*\.log$)/, link);
  t.false(held.some((link) => link.startsWith('pipe:')));
  t.is(readlinkSync(`/proc/${daemon}/cwd`), readlinkSync(`/proc/${daemon}/root`));
});

test.serial('ways to write one volume, and its sub-directory', async (t) => {
  await using s = await setting();
  const first = await newTarget(s.node);
  t.is((await mount(s.node, s.source, first)).status, 0);
  await s.node.shell(`mkdir -p ${first}/sub/deep; echo deep >${first}/sub/deep/file`);
  for (const source of [`${s.server.address}:/v1`, `${s.server.address}:v1/`]) {
    t.is((await mount(s.node, source, first)).status, 0, `${source} is mounted there already`);
    const target = await newTarget(s.node);
    t.is((await mount(s.node, source, target)).status, 0, source);
    t.is(await s.node.shell(`cat ${target}/sub/deep/file`), 'deep\n');
  }
  const target = await newTarget(s.node);
  t.is((await mount(s.node, `${s.server.address}:v1/sub/deep`, target)).status, 0);
  t.is(await s.node.shell(`cat ${target}/file`), 'deep\n');
  t.is(s.node.entriesOf(first).length, s.node.entriesPerVolume);
});

test.serial('four calls for one target at once: all succeed, one mount, one daemon', async (t) => {
  await using s = await setting();
  const target = await newTarget(s.node);
  const calls = await Promise.all([1, 2, 3, 4].map(() => mount(s.node, s.source, target, 'log-level=ERROR')));
  t.deepEqual(calls, Array(4).fill({ status: 0, stdout: '', stderr: '' }));
  t.is(s.node.entriesOf(target).length, s.node.entriesPerVolume);
  t.is(daemonsOf(target).length, 1);
});

for (const list of ['log-level=ERROR', 'acl', 'selinux'])
  test.serial(
    `${list}: a volume whose bricks are away for a while stays as it is, and goes on when they are back`,
    async (t) => {
      await using s = await setting();
      const target = await newTarget(s.node);
      t.is((await mount(s.node, s.source, target, list)).status, 0);
      const [before, daemons] = [s.node.entriesOf(target), daemonsOf(target)];
      await s.server.killBrick();
      while (!/not connected/.test((await s.node.run(['stat', target])).stderr)) await setTimeout(20);
      const { status, stderr } = await mount(s.node, s.source, target, list);
      t.is(status, 0, stderr);
      t.deepEqual(s.node.entriesOf(target), before);
      t.deepEqual(daemonsOf(target), daemons);
      await s.server.run(['gluster', '--mode=script', 'volume', 'start', 'v1', 'force']);
      while ((await s.node.run(['stat', target])).status !== 0) await setTimeout(100);
      t.deepEqual(daemonsOf(target), daemons);
    },
  );

test.serial(
  'where no log can be written, on a full disk or one that is read-only, a volume is mounted without one',
  async (t) => {
    await using s = await setting();
    const logs = '/var/log/containerized-mounter/glusterfs';
    for (const script of [
      `mount --bind ${logs} ${logs}; mount -o remount,bind,ro ${logs}`,
      `mount -t tmpfs -o nr_inodes=1 full ${logs}`,
    ]) {
      await s.node.shell(script);
      const target = await newTarget(s.node);
      const { status, stderr } = await mount(s.node, s.source, target, 'log-level=ERROR');
      t.is(status, 0, stderr);
      t.is(s.node.entriesOf(target).length, s.node.entriesPerVolume);
      await s.node.shell(`umount ${target} ${logs}`);
    }
  },
);

/** Kills the guardian of a call, at once or as soon as there is a daemon. */
const withoutGuardian = (isThere: string) => `"$@" & call=$!
  until guardian=$(pgrep -x mounter-guard -P $call) && ${isThere} || ! kill -0 $call; do sleep 0.005; done 2>/dev/null
  kill -KILL $guardian; wait $call`;

for (const [moment, isThere] of [
  ['at once', 'true'],
  ['when there is a daemon', 'pgrep -x glusterfs >/dev/null'],
] as const) {
  test.serial(
    `a guardian that is killed ${moment}: the call fails, and leaves no daemon, or is done`,
    async (t) => {
      await using s = await setting();
      for (let round = 0; round < 3; round += 1) {
        const target = await newTarget(s.node);
        const call = [`${mounterHome}/mounter`, 'mount', '-t', 'glusterfs', s.source, target];
        const script = withoutGuardian(isThere);
        const { status, stderr } = await s.node.run(['bash', '-c', script, 'bash', ...call]);
        if (status !== 0) t.regex(stderr, /was ended by signal 9|could not be attached/);
        t.is(s.node.entriesOf(target).length, status === 0 ? 1 : 0);
        t.is(daemonsOf(target).length, status === 0 ? 1 : 0);
        if (status === 0) await s.node.shell(`umount ${target}`);
        while (s.node.processesOf('glusterfs').length > 0) await setTimeout(20);
      }
    },
  );
}

test.serial('another volume on a mounted target is an error that names what is there', async (t) => {
  await using s = await setting();
  const target = await newTarget(s.node);
  await mount(s.node, s.source, target);
  const { status, stderr } = await mount(s.node, `${s.server.address}:v2`, target);
  t.is(status, 32);
  t.true(stderr.includes(`${s.source} (fuse.glusterfs) is mounted there already`), stderr);
  t.is(s.node.entriesOf(target).length, s.node.entriesPerVolume);
});

const failures: readonly (readonly [
  title: string,
  source: (address: string) => string,
  status: number,
  stderr: RegExp,
])[] = [
  ['an unknown volume', (address) => `${address}:nosuch`, 1, /\nMounting glusterfs on .* failed\./],
  ['a server where nothing listens', () => '127.0.0.1:v1', 1, /\nMounting glusterfs on .* failed\./],
  ['an unknown host', () => 'nosuch.invalid:v1', 1, /\nMounting glusterfs on .* failed\./],
];

for (const [title, source, status, stderr] of failures) {
  test.serial(`${title}: the helper's status and words, and nothing left`, async (t) => {
    await using s = await setting();
    const target = await newTarget(s.node);
    // The words are the helper's own, also where the machine is so busy that it takes longer to say them.
    setLimits(s.node, { probeAfterSeconds: 60 });
    const ran = await mount(s.node, source(s.server.address), target);
    t.is(ran.status, status);
    t.regex(ran.stderr, stderr);
    t.true(ran.stderr.startsWith(`mounter: ${target}: /sbin/mount.glusterfs failed to mount`));
    nothingLeft(t, s.node, target);
  });
}

test.serial('a missing sub-directory is a failure, though mount.glusterfs may say success', async (t) => {
  await using s = await setting();
  for (let run = 0; run < 8; run += 1) {
    const target = await newTarget(s.node);
    const ran = await mount(s.node, `${s.source}/missing`, target);
    t.not(ran.status, 0, ran.stderr);
    nothingLeft(t, s.node, target);
  }
});

test.serial('a failure is not explained by what the call just before has left in the log', async (t) => {
  await using s = await setting();
  const target = await newTarget(s.node);
  const call = (source: string) =>
    `${mounterHome}/mounter mount -t glusterfs -o ${options} ${source} ${target}`;
  // One after the other, with nothing in between.
  const script = `${call(`${s.server.address}:nosuch`)} 2>/tmp/first; ${call('127.0.0.1:v1')}`;
  const { stderr } = await s.node.run(['sh', '-c', script]);
  t.regex(s.node.read('/tmp/first'), /failed to fetch volume file \(key:nosuch\)/);
  t.regex(stderr, /127\.0\.0\.1/);
  t.notRegex(stderr, /nosuch/);
});

test.serial('an option that mount.glusterfs does not have', async (t) => {
  await using s = await setting();
  const target = await newTarget(s.node);
  const ran = await mount(s.node, s.source, target, 'foo');
  t.is(ran.status, 1);
  // kubelet looks for such a text to try again without auto_unmount.
  t.regex(ran.stderr, /Invalid option foo/);
  nothingLeft(t, s.node, target);
});

const silences = [
  ['glusterd is silent', (server: GlusterServer) => server.signalGlusterd('STOP')],
  ['the brick is silent', (server: GlusterServer) => server.signalBrick('v1', 'STOP')],
] as const;

for (const [title, silence] of silences) {
  for (const list of ['log-level=ERROR', 'auto_unmount,log-level=ERROR']) {
    test.serial(`${title}: ended at the deadline, neither daemon nor mount left (${list})`, async (t) => {
      await using s = await setting();
      const target = await newTarget(s.node);
      // As short as a test can wait.
      setLimits(s.node, { mountSeconds: 3 });
      await silence(s.server);
      const { status, stderr } = await mount(s.node, s.source, target, list);
      t.is(status, 32);
      t.regex(stderr, /did not mount .* within 3 s and was ended/);
      nothingLeft(t, s.node, target);
    });
  }
}

test.serial('chroot: a kubelet directory that is not shared: undone, daemon and all', async (t) => {
  await using s = await setting('chroot');
  const target = await newTarget(s.node);
  await s.node.shell(`mount --make-private ${kubeletDirectory}`);
  const { status, stderr } = await mount(s.node, s.source, target);
  t.is(status, 2);
  t.regex(stderr, /did not appear on the host/);
  nothingLeft(t, s.node, target);
});

const privateDisk = 'mkdir -p K/pods; mount -t tmpfs -o mode=755 disk K/pods; mount --make-private K/pods';

/** What stands around the target, whatever `prepare` has seen. */
const surroundings: readonly (readonly [title: string, script: string])[] = [
  ['is private', `mount --bind K K; mount --make-private K`],
  ['is a slave of the host', `mount --bind K K; mount --make-slave K`],
  ['is private, as all mounts of the node', 'mount --make-rprivate /'],
  ['is another one than at prepare', 'mount -t tmpfs -o mode=755 other K'],
  ['has a disk of its own for its Pods', 'mkdir -p K/pods; mount -t tmpfs -o mode=755 disk K/pods'],
  ['has a private disk for its Pods', privateDisk],
  ['is another directory of the same name', 'mv K K.old; mkdir -m 750 K'],
];

test.serial(
  'attach: however the kubelet directory is mounted, a volume is one entry, and gone after umount',
  async (t) => {
    for (const [title, script] of surroundings) {
      await using s = await setting('attach');
      await s.node.shell(script.replaceAll('K', kubeletDirectory));
      const before = s.node.mountinfo();
      const target = await newTarget(s.node);
      t.deepEqual(await mount(s.node, s.source, target), { status: 0, stdout: '', stderr: '' }, title);
      t.deepEqual(
        s.node.entriesOf(target).map(({ fstype, source }) => [fstype, source]),
        [['fuse.glusterfs', s.source]],
        title,
      );
      await s.node.shell(`echo ${title} >${target}/file`);
      t.is(readFileSync(`${s.server.brickPath('v1')}/file`, 'utf8'), `${title}\n`);
      await s.node.shell(`umount ${target}`);
      while (daemonsOf(target).length > 0) await setTimeout(20);
      nothingLeft(t, s.node, target);
      t.deepEqual(s.node.mountinfo(), before, title);
    }
  },
);

test.serial(
  'attach: a log file on an unbindable mount is refused with what to do, and that helps',
  async (t) => {
    await using s = await setting('attach');
    await s.node.shell(
      `mount --bind ${kubeletDirectory} ${kubeletDirectory}; mount --make-unbindable ${kubeletDirectory}`,
    );
    const target = await newTarget(s.node);
    const { status, stderr } = await mount(s.node, s.source, target);
    t.is(status, 2);
    const [, hint = 'false'] = /^hint: .* unbindable mount: (.*)$/m.exec(stderr) ?? [];
    t.regex(hint, /^mount --make-private /, stderr);
    nothingLeft(t, s.node, target);
    await s.node.shell(hint);
    t.deepEqual(await mount(s.node, s.source, target), { status: 0, stdout: '', stderr: '' });
    t.is(s.node.entriesOf(target).length, 1);
  },
);

for (const when of ['before prepare', 'since prepare'])
  test.serial(
    `chroot: a private disk for Pods, ${when}: it is said by all, and what they say helps`,
    async (t) => {
      await using server = await startGlusterServer({ volumes: ['v1'] });
      await using node = await ScratchNode.installed({ enter: 'chroot', enterNetwork: server.enter });
      if (when === 'since prepare') await node.mustRun('prepare');
      await node.shell(privateDisk.replaceAll('K', kubeletDirectory));
      const target = await newTarget(node);
      t.not((await mount(node, `${server.address}:v1`, target)).status, 0);
      t.is((await node.mounter('status')).status, 1);
      if (when === 'since prepare')
        t.regex(
          (await node.mounter('doctor')).stdout,
          /^failing +propagation +\/var\/lib\/kubelet\/pods: is not shared: .*; run mounter prepare$/m,
        );
      else {
        const { status, stderr } = await node.mounter('prepare');
        t.is(status, 2);
        const [, hint = 'false'] = /^hint: run (mount --make-rshared \S+), or/m.exec(stderr) ?? [];
        await node.shell(hint);
      }
      await node.mustRun('prepare');
      t.is(await node.mustRun('prepare'), 'prepared already; nothing to do\n');
      t.is((await node.mounter('status')).status, 0);
      t.notRegex((await node.mounter('doctor')).stdout, /^failing +(mounts|propagation)/m);
      t.deepEqual(await mount(node, `${server.address}:v1`, target), { status: 0, stdout: '', stderr: '' });
      t.is(node.entriesOf(target).length, node.entriesPerVolume);
      await node.shell(`umount ${target}`);
      while (daemonsOf(target).length > 0) await setTimeout(20);
      nothingLeft(t, node, target);
    },
  );

test.serial('chroot: without /dev/fuse nothing is run', async (t) => {
  await using s = await setting('chroot');
  const target = await newTarget(s.node);
  await s.node.shell(`umount ${mounterHome}/rootfs/dev`);
  const { status, stderr } = await mount(s.node, s.source, target);
  t.is(status, 2);
  t.regex(
    stderr,
    /^mounter: \/dev\/fuse: the device is not in the rootfs: the node is not prepared\nhint: run mounter prepare\n$/,
  );
});

/** What stands around a volume's source and target, and the same call again. */
const asked: readonly (readonly [
  title: string,
  source: (name: string) => string,
  options: string,
  sub: boolean,
])[] = [
  ['a name with an underscore', () => 'gluster_1:v1', 'log-level=ERROR', false],
  ['a backup with an underscore', () => 'gluster_1:/v1', 'backup-volfile-servers=gluster_2', false],
  ['slashes too many', (server) => `${server}:/v1//sub/`, 'log-level=ERROR', true],
  ['subdir-mount=', (server) => `${server}:v1`, 'subdir-mount=sub', true],
  ['subdir-mount= with slashes', (server) => `${server}:/v1`, 'subdir-mount=/sub/', true],
  ['two servers', (server) => `10.77.99.9,${server}:/v1`, 'log-level=ERROR', false],
];

for (const enter of enterModes)
  test.serial(
    `${enter}: a kubelet directory that is a symlink, and ways to write a source: mounted, and the same call again is a success`,
    async (t) => {
      await using server = await startGlusterServer({ volumes: ['v1', 'v2'] });
      await using node = await ScratchNode.installed({ enter, enterNetwork: server.enter });
      await node.shell(`rmdir ${kubeletDirectory} && mkdir -p /var/lib/data/kubelet && ln -s data/kubelet ${kubeletDirectory}
      echo '${server.address} gluster_1 gluster_2 gluster-3' >>/etc/hosts`);
      await node.mustRun('prepare');
      const first = await newTarget(node);
      t.is((await mount(node, `${server.address}:v1`, first)).status, 0);
      await node.shell(`mkdir -p ${first}/sub/deep`);
      for (const [title, source, options, isSub] of asked) {
        const target = await newTarget(node);
        for (const call of ['first', 'again']) {
          const { status, stderr } = await mount(node, source(server.address), target, options);
          t.is(status, 0, `${title}, ${call}: ${stderr}`);
        }
        t.is((await node.run(['test', '-d', `${target}/deep`])).status, isSub ? 0 : 1, title);
        const place = target.replace(kubeletDirectory, '/var/lib/data/kubelet');
        t.is(node.entriesOf(place).length, 1, title);
        const other = await mount(node, `${server.address}:v2`, target);
        t.is(other.status, 32, title);
        t.regex(other.stderr, /is mounted there already, not/, title);
      }
      const target = await newTarget(node);
      for (const name of ['gluster_1', 'gluster-3', server.address]) {
        const { status, stderr } = await mount(node, `${name}:v1`, target, 'log-level=ERROR');
        t.is(status, 0, `another name of the server: ${stderr}`);
      }
      for (const other of ['gluster-3:v2', 'gluster-3:v1/sub', '10.77.99.9:v1', 'nosuch.invalid:v1'])
        t.is((await mount(node, other, target)).status, 32, other);
      t.is(daemonsOf(target).length, 1);
    },
  );

for (const enter of enterModes)
  test.serial(
    `${enter}: a directory with a dot in its name, beside one that a regular expression takes for it`,
    async (t) => {
      await using s = await setting(enter);
      const target = await newTarget(s.node);
      for (const place of [`${target}-1`, `${target}.1`]) {
        await s.node.shell(`mkdir ${place}`);
        t.deepEqual(
          await mount(s.node, s.source, place, 'log-level=ERROR'),
          { status: 0, stdout: '', stderr: '' },
          place,
        );
      }
      t.is(daemonsOf(`${target}.1`).length, 1);
      const status = JSON.parse((await s.node.mounter('status', '--json')).stdout);
      t.is(status.volumes.length, 2);
    },
  );
