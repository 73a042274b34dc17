import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { parseMountinfo } from '../../src/host/mountinfo.ts';
import { daemonsOf, mount, newTarget, options, setting } from '../support/gluster/gluster-node.ts';
import { startGlusterServer } from '../support/gluster/gluster-server.ts';
import { rounds } from '../support/long-run.ts';
import { kubeletDirectory, mounter, mounterHome, ScratchNode } from '../support/node/namespace.ts';
import { mountNfs, placeHelper, targetOf } from '../support/node/tmpfs-helper.ts';

/** A mount is made apart and attached to its target: one entry of the host's, and nothing of it in the rootfs. */

const attach = { enter: 'attach' } as const;
const pins = '/run/containerized-mounter/namespaces';
const link = `${mounterHome}/rootfs/.mounter-namespaces`;
const already = 'prepared already; nothing to do\n';

/** Where something is mounted, as those see it who are in one view of the rootfs. */
async function entriesIn(node: ScratchNode, view: 'services' | 'helpers'): Promise<readonly string[]> {
  // The helpers' view has no /proc: a process of the host's tells.
  const script = `nsenter --mount=${link}/${view} sleep 1000 & pid=$!
    until cmp -s /proc/$pid/comm - <<.
sleep
.
    do sleep 0.01; done; cat /proc/$pid/mountinfo; kill $pid`;
  return parseMountinfo(await node.shell(script)).map(({ mountPoint }) => mountPoint);
}

const volumesOf = (mountPoints: readonly string[]) =>
  mountPoints.filter((path) => path.includes(`${kubeletDirectory}/pods/`));

/** Mounts by mounter, some at a time, as the volumes `from` to `to` - 1. */
async function mountMany(node: ScratchNode, from: number, to: number): Promise<void> {
  const call = `${mounterHome}/mounter mount -t nfs -o vers=4.2 10.0.0.5:/v{} ${kubeletDirectory}/pods/v{}`;
  await node.shell(
    `cd ${kubeletDirectory}/pods; seq -f v%g ${from} ${to - 1} | xargs mkdir
     seq -f %g ${from} ${to - 1} | xargs -P 4 -I{} ${call}`,
  );
}

/** Mounts by the host's mount(8), all at once: mounter would take a minute. */
async function mountOthers(node: ScratchNode, from: number, to: number): Promise<void> {
  const numbers = Array.from({ length: to - from }, (_, index) => from + index);
  const fstab = numbers.map((n) => `v${n} ${kubeletDirectory}/pods/v${n} tmpfs size=4k 0 0`).join('\n');
  await node.run(['tee', '/tmp/fstab'], { input: `${fstab}\n` });
  await node.shell(
    `cd ${kubeletDirectory}/pods; seq -f v%g ${from} ${to - 1} | xargs mkdir; mount --all --fstab /tmp/fstab`,
  );
}

test.serial(
  '1, 100 and thousands of volumes are as many entries on the host, and none in the rootfs',
  async (t) => {
    await using node = await ScratchNode.prepared(attach);
    placeHelper(node);
    const before = node.mountinfo().length;
    const views = { services: await entriesIn(node, 'services'), helpers: await entriesIn(node, 'helpers') };
    for (const count of [1, 100, rounds(1000, 5000)]) {
      // One more mount, which takes all away at once: thousands of umounts take long.
      await node.shell(
        `mkdir -p ${kubeletDirectory}/pods; mount -t tmpfs -o mode=755 pods ${kubeletDirectory}/pods`,
      );
      if (count > 100) await mountOthers(node, 0, count - 20);
      await mountMany(node, count > 100 ? count - 20 : 0, count);
      t.is(node.mountinfo().length, before + 1 + count);
      for (const view of ['services', 'helpers'] as const)
        t.deepEqual(await entriesIn(node, view), views[view], `${count} in the view of ${view}`);
      t.is(await node.mustRun('prepare'), already);
      if (count <= 100) await node.shell(`umount ${kubeletDirectory}/pods/v*`);
      await node.shell(`umount -l ${kubeletDirectory}/pods`);
      t.is(node.mountinfo().length, before);
    }
  },
);

/** In the place of a server that is silent when the mount is to be attached: an automounter that never mounts. */
const silentHelper = `#!/bin/sh
mount -i -t autofs -o fd=1,pgrp=1,minproto=5,maxproto=5,direct "$1" "$2" | { exec 3<&0; sleep 60 & }
`;
const withAutofs = readFileSync('/proc/filesystems', 'utf8').includes('\tautofs\n')
  ? test.serial
  : test.serial.skip;

withAutofs(
  'a mount that waits for its server when it is to be attached fails, with nothing left',
  async (t) => {
    await using node = await ScratchNode.prepared(attach);
    placeHelper(node, silentHelper);
    const target = targetOf(node, 'silent');
    const before = node.mountinfo();
    const { status, stderr } = await mountNfs(node, '10.0.0.5:/silent', target);
    t.is(status, 32);
    t.regex(
      stderr,
      /: the server does not answer any more, and 10\.0\.0\.5:\/silent could not be attached\nhint: /,
    );
    t.deepEqual(node.mountinfo(), before);
    t.deepEqual(node.processesOf('mounter'), []);
  },
);

interface Container {
  readonly holder: ChildProcess;
  /** As the node numbers it. */
  readonly pid: string;
}

/**
 * A container with the kubelet directory as a volume: a mount namespace in which that path receives, or shares, what is
 * mounted below the host's, and nothing else does.
 */
async function container(node: ScratchNode, propagation: 'rslave' | 'rshared'): Promise<Container> {
  const script = `mount --make-rprivate /tmp; mkdir /tmp/volume.$$
    mount --rbind ${kubeletDirectory} /tmp/volume.$$
    mount --make-private /var/lib; mount -t tmpfs image /var/lib; mkdir ${kubeletDirectory}
    mount --rbind /tmp/volume.$$ ${kubeletDirectory}; umount -l /tmp/volume.$$
    mount --make-${propagation} ${kubeletDirectory}; echo $$; exec cat`;
  const unshare = ['unshare', '--mount', '--propagation=unchanged', 'sh', '-euc', script];
  const holder = spawn('nsenter', [...node.enter, ...unshare], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [pid] = await once(holder.stdout, 'data');
  return { holder, pid: String(pid).trim() };
}

async function end({ holder }: Container): Promise<void> {
  const ended = once(holder, 'exit');
  holder.stdin?.end();
  await ended;
}

const mountedIn = (node: ScratchNode, { pid }: Container) =>
  volumesOf(parseMountinfo(node.read(`/proc/${pid}/mountinfo`)).map(({ mountPoint }) => mountPoint));

test.serial(
  'containers: HostToContainer sees volumes come and go, Bidirectional mounts for all, None sees nothing',
  async (t) => {
    await using node = await ScratchNode.prepared(attach);
    placeHelper(node);
    const [receiver, sharer] = [await container(node, 'rslave'), await container(node, 'rshared')];
    const volume = targetOf(node, 'one');
    for (let round = 0; round < 3; round += 1) {
      t.is((await mountNfs(node, '10.0.0.5:/one', volume)).status, 0);
      for (const one of [receiver, sharer]) t.deepEqual(mountedIn(node, one), [volume]);
      await node.shell(`echo ${round} >${volume}/file`);
      for (const { pid } of [receiver, sharer])
        t.is(
          await node.shell(`nsenter --mount=/proc/${pid}/ns/mnt cat ${volume}/file`),
          `${round}\n`,
          'its content, too',
        );
      await node.shell(`umount ${volume}`);
      for (const one of [receiver, sharer]) t.deepEqual(mountedIn(node, one), []);
    }
    const theirs = `${kubeletDirectory}/pods/theirs`;
    await node.shell(
      `mkdir ${theirs}; nsenter --mount=/proc/${sharer.pid}/ns/mnt mount -t tmpfs theirs ${theirs}`,
    );
    t.is(node.entriesOf(theirs).length, 1);
    t.deepEqual(mountedIn(node, receiver), [theirs]);
    for (const view of ['services', 'helpers'] as const)
      t.deepEqual(volumesOf(await entriesIn(node, view)), [], 'what others mount is none of the rootfs’s');
    await node.shell(`umount ${theirs}`);
    for (const one of [receiver, sharer]) {
      t.deepEqual(mountedIn(node, one), []);
      await end(one);
    }
  },
);

test.serial(
  'a kubelet in a container of its own: its volumes are the host’s, and gone when it unmounts them',
  async (t) => {
    await using s = await setting('attach');
    const { node, source } = s;
    const kubelet = await container(node, 'rshared');
    const inContainer = (...argv: readonly string[]) =>
      node.run(['nsenter', `--mount=/proc/${kubelet.pid}/ns/mnt`, ...argv]);
    t.is(
      (await inContainer('sh', '-c', `stat -f -c %T ${pins}/*/* | grep nsfs`)).status,
      1,
      'it sees no pin',
    );
    const target = await newTarget(node);
    const call = [`${mounterHome}/mounter`, 'mount', '-t', 'glusterfs', '-o', options, source, target];
    for (let round = 0; round < 2; round += 1) {
      const { status, stderr } = await inContainer(...call);
      t.is(status, 0, stderr);
      t.is(node.entriesOf(target).length, 1);
      t.deepEqual(mountedIn(node, kubelet), [target]);
      await node.shell(`echo ${round} >${target}/file`);
      t.is(readFileSync(`${s.server.brickPath('v1')}/file`, 'utf8'), `${round}\n`);
      t.is((await inContainer('umount', target)).status, 0);
      while (daemonsOf(target).length > 0) await sleep(20);
      t.deepEqual(node.entriesOf(target), []);
    }
    await end(kubelet);
  },
);

test.serial(
  'prepares are one pair of namespaces, however many; on whichever processor it is made',
  async (t) => {
    await using node = await ScratchNode.installed(attach);
    for (const processor of ['0', '1']) {
      const ran = await node.run(['taskset', '-c', processor, mounter, 'prepare']);
      t.is(ran.status, 0, ran.stderr);
      const mountinfo = node.mountinfo();
      for (let again = 1; again < rounds(6, 20); again += 1) t.is(await node.mustRun('prepare'), already);
      t.deepEqual(node.mountinfo(), mountinfo);
      const [pair = '', ...more] = readdirSync(node.path(pins));
      t.deepEqual(more, []);
      t.deepEqual(readdirSync(node.path(`${pins}/${pair}`)).toSorted(), [
        'description',
        'helpers',
        'home',
        'services',
      ]);
      t.is(readlinkSync(node.path(link)), `${pins}/${pair}`);
      t.is(await node.shell(`stat -c %a ${pins} ${pins}/*`), '700\n700\n', 'root alone');
      await node.mustRun('teardown');
      t.is((await node.run(['test', '-e', pins])).status, 1);
      t.is((await node.run(['test', '-L', link])).status, 1);
    }
  },
);

/** What a mount says about it; nothing where a mount of GlusterFS can do without. */
const breakages: readonly (readonly [what: string, how: string, says: RegExp | undefined])[] = [
  ['the pin of the helpers’ view is gone', `umount ${pins}/*/helpers`, /has no mount namespace to enter/],
  ['both pins are gone', `umount ${pins}/*/helpers ${pins}/*/services`, /has no mount namespace to enter/],
  ['the directory of the pins is gone', `umount -l ${pins}`, /has no mount namespace to enter/],
  [
    'the files of the pins are gone',
    `umount ${pins}/*/*s; rm -r ${pins}/*`,
    /has no mount namespace to enter/,
  ],
  [
    'the link is gone',
    `rm ${link}`,
    /not in the rootfs: the node is not prepared\nhint: run mounter prepare/,
  ],
  [
    'the helpers’ view has lost its devices',
    `nsenter --mount=${link}/helpers umount /dev`,
    /dev\/fuse|run mounter prepare/,
  ],
  ['the pin of the services’ view is gone', `umount ${pins}/*/services`, undefined],
  ['the services’ /proc is gone', `${mounter} exec -- umount -l /proc`, undefined],
  ['the services’ /run is gone', `${mounter} exec -- umount -l /run`, undefined],
  [
    'the services’ state is another directory',
    'cd /var/lib/containerized-mounter; mv nfs old; cp -a old nfs',
    undefined,
  ],
];

test.serial('whatever is broken is seen by a mount and by status, and made again by prepare', async (t) => {
  await using server = await startGlusterServer({ volumes: ['v1'] });
  for (const [what, how, says] of breakages) {
    await using node = await ScratchNode.prepared({ ...attach, enterNetwork: server.enter });
    const target = await newTarget(node);
    await node.shell(how);
    const doctor = await node.mounter('doctor');
    t.is((await node.mounter('status')).status, doctor.status, what);
    // What is of NFSv3 alone fails no node whose kernel has no NFS.
    if (says !== undefined) t.is(doctor.status, 1, what);
    t.regex(doctor.stdout, /run mounter prepare/, what);
    const { status, stderr } = await mount(node, `${server.address}:v1`, target, 'log-level=ERROR');
    if (says === undefined) {
      t.is(status, 0, `${what}: ${stderr}`);
      await node.shell(`umount ${target}`);
      while (daemonsOf(target).length > 0) await sleep(20);
    } else {
      t.not(status, 0, what);
      t.regex(stderr, says, what);
      t.regex(stderr, /^hint: .*run mounter (prepare|doctor)/m, what);
    }
    t.deepEqual(node.entriesOf(target), [], what);
    t.deepEqual(daemonsOf(target), [], what);
    t.regex(await node.mustRun('prepare'), /\nprepared\n$/, what);
    t.is(await node.mustRun('prepare'), already, what);
    t.is((await node.mounter('status')).status, 0, what);
    const again = await mount(node, `${server.address}:v1`, target, 'log-level=ERROR');
    t.is(again.status, 0, `${what}: ${again.stderr}`);
    t.is(node.entriesOf(target).length, 1, what);
    t.is(readdirSync(node.path(pins)).length, 1, what);
    await node.shell(`umount ${target}`);
  }
});

async function writes(t: ExecutionContext, node: ScratchNode, target: string, brick: string): Promise<void> {
  const text = `${Math.random()}\n`;
  await node.run(['tee', `${target}/file`], { input: text });
  t.is(readFileSync(`${brick}/file`, 'utf8'), text);
}

test.serial(
  'chroot to attach and back, with a volume: its daemon goes on, and no entry is left',
  async (t) => {
    await using s = await setting('chroot');
    const { node } = s;
    const brick = s.server.brickPath('v1');
    const [target, later] = [await newTarget(node), await newTarget(node)];
    const mounts = async (place: string, message: string) => {
      const { status, stderr } = await mount(node, s.source, place);
      t.is(status, 0, `${message}: ${stderr}`);
    };
    await mounts(target, 'the first');
    const daemons = daemonsOf(target);
    for (const enter of ['attach', 'chroot', 'attach'] as const) {
      await node.setEnter(enter);
      t.regex(await node.mustRun('status'), /^prepared +yes\n +by .*mounter prepare changes it/m);
      await mounts(later, `to ${enter}: entered as before`);
      await node.shell(`umount ${later}`);
      await node.mustRun('prepare');
      t.is(await node.mustRun('prepare'), already);
      const status = await node.mounter('status');
      t.is(status.status, 0, status.stdout);
      t.is(node.entriesOf(target).length, node.entriesPerVolume);
      await writes(t, node, target, brick);
      t.deepEqual(daemonsOf(target), daemons, 'the same daemons');
      // The same log, and another one, that the other way's daemons have written.
      for (const list of [options, 'log-level=ERROR']) {
        const { status: ended, stderr } = await mount(node, s.source, later, list);
        t.is(ended, 0, `${enter}, ${list}: ${stderr}`);
        await node.shell(`umount ${later}`);
      }
      await mounts(later, enter);
      t.is(node.entriesOf(later).length, node.entriesPerVolume);
      await writes(t, node, later, brick);
      await node.shell(`umount ${later}`);
    }
    t.deepEqual(
      node.mountinfo().filter(({ mountPoint }) => mountPoint.startsWith(mounterHome)),
      [],
    );
    await node.shell(`umount ${target}`);
    while (daemonsOf(target).length + daemonsOf(later).length > 0) await sleep(20);
    await node.mustRun('teardown');
    t.deepEqual(node.processes(), []);
    t.deepEqual(node.entriesOf(kubeletDirectory), [], 'nor what chroot had made of it');
  },
);

/** The mount namespace that earlier versions made for `enter: namespace`, a mount in it, and its daemon. */
const formerWay = `
  version=$(realpath ${mounterHome}/rootfs); pin=${pins}/$(basename $version | cut -c 1-12).1
  mount --bind ${kubeletDirectory} ${kubeletDirectory}
  mount --make-private ${kubeletDirectory}; mount --make-shared ${kubeletDirectory}
  echo ${kubeletDirectory} >/run/containerized-mounter/self-binds
  mkdir -p -m 755 ${pins} $version${kubeletDirectory} $version/mnt
  mount --bind ${pins} ${pins}; mount --make-unbindable ${pins}; touch $pin
  for processor in 0 1; do taskset -c $processor unshare --mount=$pin --propagation unchanged sh -euc '
    mount --make-private /home; mount --bind $0 $0; mount --make-private $0
    for directory in ${kubeletDirectory} /dev /run /var/log/containerized-mounter/glusterfs; do
      to=$directory; [ $to != /var/log/containerized-mounter/glusterfs ] || to=/var/log/glusterfs
      mkdir -p $0$to; mount --bind $directory $0$to; done
    mkdir -p $0/proc; mount -t proc proc $0/proc
    cd $0; pivot_root . mnt; cd /; mount --make-rslave /mnt; umount -l /mnt' $version && break; done
  nsenter --mount=$pin /usr/bin/test -e /sbin/mount.glusterfs
  ln -s $pin $version/.mounter-namespace`;

test.serial(
  'a node that an earlier version prepared is converted, with a volume and its daemon',
  async (t) => {
    await using s = await setting('chroot');
    const { node } = s;
    const brick = s.server.brickPath('v1');
    await node.mustRun('teardown');
    // As the manifest of that version has it.
    await node.shell(
      `sed -i 's/"enter": *"[a-z]*"/"enter": "namespace"/' ${mounterHome}/rootfs-manifest.json
      rm ${mounterHome}/node-settings.json`,
    );
    await node.shell(formerWay);
    const [target, later] = [await newTarget(node), await newTarget(node)];
    await node.shell(
      `nsenter --mount=${mounterHome}/rootfs/.mounter-namespace /sbin/mount.glusterfs ${s.source} ${target}`,
    );
    t.is(node.entriesOf(target).length, 1);
    const daemons = daemonsOf(target);
    t.is(daemons.length, 1);
    t.is((await node.mounter('status')).status, 1, 'not prepared for this version');
    t.regex(await node.mustRun('prepare'), /^made mount namespaces for .*\n(.*\n)*umount -l .*\.1\n/m);
    t.is(await node.mustRun('prepare'), already);
    t.is((await node.mounter('status')).status, 0);
    t.false(existsSync(node.path(`${mounterHome}/rootfs/.mounter-namespace`)));
    t.deepEqual(
      readdirSync(node.path(pins)).map((name) => name.replace(/.*\./, '')),
      ['2'],
    );
    t.deepEqual(daemonsOf(target), daemons, 'the same daemon');
    await writes(t, node, target, brick);
    t.is((await mount(node, s.source, later)).status, 0);
    t.is(node.entriesOf(later).length, 1);
    await writes(t, node, later, brick);
    await node.shell(`umount ${later} ${target}`);
    while (daemonsOf(target).length + daemonsOf(later).length > 0) await sleep(20);
    await node.mustRun('teardown');
    t.deepEqual(node.processes(), []);
    t.deepEqual(
      node.mountinfo().filter(({ mountPoint }) => /containerized.mounter|kubelet/.test(mountPoint)),
      [],
    );
  },
);

/** Mounts when the test lets it. */
const waitingHelper = '#!/bin/sh\nsleep 1000\nexec mount -t tmpfs "$1" "$2"\n';

test.serial('what is mounted over the way meanwhile hides no mount that was reported', async (t) => {
  await using node = await ScratchNode.prepared(attach);
  placeHelper(node, waitingHelper);
  const target = targetOf(node, 'one');
  const meanwhile = async (script: string) => {
    const call = mountNfs(node, '10.0.0.5:/one', target);
    await node.shell(`until pidof sleep >/dev/null; do :; done; ${script}; kill $(pidof sleep)`);
    return call;
  };
  // As prepare does where it makes the other way of this one.
  const bound = await meanwhile(
    `mount --bind ${kubeletDirectory} ${kubeletDirectory}; mount --make-private ${kubeletDirectory}`,
  );
  t.is(bound.status, 0, bound.stderr);
  await node.shell(`mountpoint -q ${target}`);
  t.is(node.entriesOf(target).length, 1);
  await node.shell(`umount ${target}; umount ${kubeletDirectory}`);
  const disk = `${kubeletDirectory}/pods`;
  const covered = await meanwhile(`mount -t tmpfs -o mode=755 disk ${disk}; mkdir -p ${target}`);
  t.is(covered.status, 32);
  t.regex(covered.stderr, /something was mounted over the directories on the way/);
  await node.shell(`umount ${disk}`);
  t.deepEqual(node.entriesOf(target), []);
});

test.serial(
  'what is mounted over the way meanwhile: umount2(2) that is refused is tried again, or told of',
  async (t) => {
    await using node = await ScratchNode.prepared(attach);
    placeHelper(node, waitingHelper);
    const target = targetOf(node, 'one');
    const disk = `${kubeletDirectory}/pods`;
    for (const [when, end, left] of [
      ['1', 'it is unmounted again', 0],
      [
        '1+',
        `it is still mounted, hidden beneath ${disk}, for umount2 fails with EBUSY: umount ${disk}, then umount ${target}`,
        1,
      ],
    ] as const) {
      const call = node.run([
        ...[
          'strace',
          '-o',
          '/tmp/trace',
          '-e',
          'trace=umount2',
          '-e',
          `inject=umount2:error=EBUSY:when=${when}`,
        ],
        ...[`${mounterHome}/mounter`, 'mount', '-t', 'nfs', '-o', 'vers=4', '10.0.0.5:/one', target],
      ]);
      await node.shell(`until pidof sleep >/dev/null; do :; done
      mount -t tmpfs -o mode=755 disk ${disk}; mkdir -p ${target}; kill $(pidof sleep)`);
      const { status, stderr } = await call;
      t.is(status, 32, stderr);
      t.regex(node.read('/tmp/trace'), /EBUSY.*\(INJECTED\)/);
      t.true(stderr.includes(`while 10.0.0.5:/one was mounted; ${end}\nhint: `), stderr);
      await node.shell(`umount ${disk}`);
      t.is(node.entriesOf(target).length, left);
    }
  },
);

test.serial('what is mounted over the way meanwhile: a daemon is ended, too', async (t) => {
  await using s = await setting('attach');
  const { node } = s;
  const target = await newTarget(node);
  await s.server.signalGlusterd('STOP');
  const call = mount(node, s.source, target, 'log-level=ERROR');
  await node.shell('until pidof glusterfs >/dev/null; do sleep 0.01; done');
  await node.shell(`mount -t tmpfs -o mode=755 disk ${kubeletDirectory}/pods; mkdir -p ${target}`);
  await s.server.signalGlusterd('CONT');
  const { status, stderr } = await call;
  t.is(status, 32, stderr);
  t.regex(stderr, /something was mounted over the directories on the way/);
  await node.shell(`umount ${kubeletDirectory}/pods`);
  t.deepEqual(node.entriesOf(target), []);
  while (daemonsOf(target).length > 0) await sleep(20);
  t.is((await mount(node, s.source, target)).status, 0);
});

test.serial('a kernel without move_mount(2) is entered by chroot, until it has one', async (t) => {
  await using node = await ScratchNode.installed(attach);
  placeHelper(node);
  const target = targetOf(node, 'one');
  for (const [release, entries] of [
    ['5.1.21-generic', 2],
    ['4.19.0-27-amd64', 2],
    ['5.2.0', 1],
    ['10.0.1', 1],
  ] as const) {
    await node.shell(
      `echo ${release} >/tmp/osrelease; mount --bind /tmp/osrelease /proc/sys/kernel/osrelease`,
    );
    await node.mustRun('prepare');
    t.is(await node.mustRun('prepare'), already, release);
    t.is((await node.mounter('status')).status, 0, release);
    t.is(existsSync(node.path(pins)) && readdirSync(node.path(pins)).length > 0, entries === 1, release);
    const { status, stderr } = await mountNfs(node, '10.0.0.5:/one', target);
    t.is(status, 0, stderr);
    t.is(node.entriesOf(target).length, entries, release);
    await node.shell(`umount ${target}; umount /proc/sys/kernel/osrelease`);
    t.deepEqual(node.entriesOf(target), []);
  }
});

test.serial('a host without nsenter(1): mounts need none, and who needs it is told', async (t) => {
  await using node = await ScratchNode.installed(attach);
  await node.shell('mount --bind /dev/null $(command -v nsenter)');
  await node.mustRun('prepare');
  t.is(await node.mustRun('prepare'), already);
  const volume = await node.mountVolume('one');
  t.is(node.entriesOf(volume).length, 1);
  const { status, stderr } = await node.mounter('exec', '--', 'true');
  t.is(status, 2);
  t.regex(stderr, /^mounter: nsenter: the host has no nsenter\nhint: mounter needs nsenter in one of /);
  t.regex((await node.mounter('doctor')).stdout, /^warning +helpers .*: the host has no nsenter;/m);
});

test.serial('a helper has the devices that the manifest names, once the node has them', async (t) => {
  await using node = await ScratchNode.installed(attach);
  const { filesystems, ...rest } = JSON.parse(node.read(`${mounterHome}/rootfs-manifest.json`));
  filesystems.nfs.devices = ['/dev/full', '/dev/one', '/dev/mapper/two'];
  const changed = JSON.stringify({ ...rest, filesystems });
  await node.run(['tee', `${mounterHome}/rootfs-manifest.json`], { input: changed });
  await node.shell(`mount -t tmpfs -o mode=755 dev /dev; mkdir /dev/mapper; mknod /dev/mapper/two b 7 9
    for i in null:3 zero:5 full:7 urandom:9; do mknod -m 666 /dev/\${i%:*} c 1 \${i#*:}; done; mknod -m 666 /dev/fuse c 10 229`);
  await node.mustRun('prepare');
  t.is(await node.mustRun('prepare'), already);
  placeHelper(
    node,
    '#!/bin/sh\nexec >&2; head -c 2 /dev/one | wc -c; stat -c "%F %t:%T" /dev/mapper/two; ls /dev; exit 1\n',
  );
  const target = targetOf(node, 'one');
  const missing = await mountNfs(node, 'server:/x', target);
  t.regex(missing.stderr, /^mounter: \/dev\/one: the device is missing on this node\n/);
  await node.shell('mknod -m 666 /dev/one c 1 5');
  t.is((await node.mounter('doctor')).status, 1, 'it is not in sight of helpers yet');
  await node.mustRun('prepare');
  t.is(await node.mustRun('prepare'), already);
  const { stderr } = await mountNfs(node, 'server:/x', target);
  t.regex(stderr, /^2\nblock special file 7:9\nfull\nfuse\nmapper\nnull\none\nrandom\nurandom\nzero$/m);
});
