import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { startGlusterServer } from '../support/gluster/gluster-server.ts';
import { extractKubelet, kubeletImage, kubeletRoot } from '../support/kubelet/kubelet-image.ts';
import { kubeletsOf, startKubelet } from '../support/kubelet/kubelet-node.ts';
import { momentsOver, rounds } from '../support/long-run.ts';
import { describeMounts } from '../support/node/describe-mounts.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import { kubeletDirectory, mounter, mounterHome, ScratchNode } from '../support/node/namespace.ts';

/** A stand-in kubelet in an extracted image, with all that it does to a node. */

/** Prepared, with an image that is extracted. */
async function readyNode(request?: Parameters<typeof ScratchNode.prepared>[0]): Promise<ScratchNode> {
  const node = await ScratchNode.prepared(request);
  await extractKubelet(node);
  return node;
}

const inKubelet = (node: ScratchNode, script: string, ...own: readonly string[]) =>
  node.mounter('kubelet', ...own, '--', '/bin/sh', '-euc', script);

async function mustRunInKubelet(node: ScratchNode, script: string, ...own: readonly string[]) {
  const { status, stdout, stderr } = await inKubelet(node, script, ...own);
  if (status !== 0) throw new Error(`status ${status} of: ${script}\n${stderr}`);
  return stdout;
}

for (const enter of enterModes) {
  test.serial(
    `${enter}: a kubelet sees what it needs of the host, and all that it mounts appears there`,
    async (t) => {
      const server = await startGlusterServer({ volumes: ['v1'] });
      try {
        await using node = await readyNode({ enter, enterNetwork: server.enter });
        await node.shell(`
      mkdir -p /etc/kubernetes/pki /tmp/upper /tmp/work; echo certificate >/etc/kubernetes/pki/ca.crt
      mount -t overlay -o lowerdir=/usr/lib,upperdir=/tmp/upper,workdir=/tmp/work overlay /usr/lib
      mkdir -p /usr/lib/modules/6.1; echo 192.0.2.7 api.cluster.example >>/etc/hosts
      echo 0123456789abcdef0123456789abcdef >/tmp/id; mount --bind /tmp/id /etc/machine-id`);
        const pod = `${kubeletDirectory}/pods/uid/volumes`;
        const out = await mustRunInKubelet(
          node,
          `cat /etc/kubernetes/pki/ca.crt /etc/machine-id /etc/resolv.conf; getent hosts api.cluster.example
      ls /lib/modules; test -e /dev/fuse; test -e /sys/fs/cgroup/unified -o -e /sys/fs/cgroup/cgroup.controllers
      grep -m1 ^ID= /etc/os-release; echo logged >/var/log/kubelet.log; echo 1 >/etc/kubernetes/written
      mkdir -p ${pod}/bind ${pod}/tmpfs ${pod}/gluster ${kubeletDirectory}/source; echo bound >${kubeletDirectory}/source/file
      mount --bind ${kubeletDirectory}/source ${pod}/bind
      mount -t tmpfs secret ${pod}/tmpfs; echo hidden >${pod}/tmpfs/token
      ${mounterHome}/mounter mount -t glusterfs -o auto_unmount,log-level=ERROR ${server.address}:v1 ${pod}/gluster
      echo hello >${pod}/gluster/file`,
        );
        t.is(
          out,
          `certificate
0123456789abcdef0123456789abcdef
nameserver 192.0.2.53
192.0.2.7       api.cluster.example
6.1
ID=debian
`,
        );
        t.is(node.read('/var/log/kubelet.log'), 'logged\n');
        t.is(node.read('/etc/kubernetes/written'), '1\n');
        t.is(node.read(`${pod}/bind/file`), 'bound\n');
        t.is(node.read(`${pod}/tmpfs/token`), 'hidden\n');
        t.is(readFileSync(`${server.brickPath('v1')}/file`, 'utf8'), 'hello\n');
        t.is(await node.shell(`cat ${pod}/gluster/file`), 'hello\n', 'the volume outlives the kubelet');
        for (const name of ['bind', 'tmpfs', 'gluster'])
          t.is(node.entriesOf(`${pod}/${name}`).length, node.entriesPerVolume, name);
        await mustRunInKubelet(node, `echo nameserver 10.96.0.10 >${mounterHome}/rootfs/etc/resolv.conf`);
        t.is(await node.mustRun('exec', '--', 'cat', '/etc/resolv.conf'), 'nameserver 10.96.0.10\n');
        await node.shell(`umount ${pod}/bind ${pod}/tmpfs ${pod}/gluster`);
        for (const name of ['bind', 'tmpfs', 'gluster'])
          t.is(node.entriesOf(`${pod}/${name}`).length, 0, name);
      } finally {
        await server.stop();
      }
    },
  );
}

const restarts = rounds(8, 20);
for (const propagation of ['shared', 'private'] as const) {
  test.serial(
    `/ ${propagation}: ${restarts} restarts, with volumes mounted, leave mountinfo as it is`,
    async (t) => {
      await using node = await readyNode({ propagation });
      const before = node.mountinfo().length;
      const first = await startKubelet(node, '--host-root', '/srv', '--');
      await mustRunInKubelet(
        node,
        `mkdir -p ${kubeletDirectory}/pods/v; mount -t tmpfs v ${kubeletDirectory}/pods/v`,
        '--host-root',
        '/srv',
      );
      const wanted = describeMounts(node);
      const numbers = node.mountinfo();
      await node.shell(`kill ${first.pid}`);
      t.is((await first.ended).status, 7);
      for (let restart = 1; restart <= restarts; restart += 1) {
        const { status, stderr } = await node.mounter(
          'kubelet',
          '--host-root',
          '/srv',
          '-v',
          '--',
          '--exit=0',
        );
        t.is(status, 0);
        t.notRegex(stderr, /mount |made/, `restart ${restart}`);
      }
      t.deepEqual(describeMounts(node), wanted);
      t.deepEqual(node.mountinfo(), numbers, 'nothing was mounted anew');
      await node.shell(`umount ${kubeletDirectory}/pods/v`);
      await node.mustRun('teardown');
      t.true(node.mountinfo().length < before, 'prepare is undone as well');
      t.deepEqual(
        node.mountinfo().filter(({ mountPoint }) => mountPoint.includes('kubelet')),
        [],
      );
    },
  );
}

test.serial('exit status, signals and standard streams are those of the kubelet', async (t) => {
  await using node = await readyNode();
  t.is((await node.mounter('kubelet')).status, 3, "the image's own command");
  t.is((await node.mounter('kubelet', '--', '--exit=42')).status, 42, 'with other flags');
  t.is((await node.mounter('kubelet', '--', 'kubelet', '--exit=43')).status, 43, 'looked up in PATH');
  const kubelet = await startKubelet(node, '--');
  const log = () => node.read('/var/log/kubelet.log').split('\n');
  const logged = async (word: string) => {
    while (!log().includes(word)) await setTimeout(20);
  };
  await node.shell(`kill -HUP ${kubelet.pid}`);
  await logged('reloaded');
  await node.shell(
    `kill -STOP ${kubelet.pid}; until grep -q '^State:.T' /proc/${kubelet.pid}/status; do :; done`,
  );
  await node.shell(`kill -CONT ${kubelet.pid}; kill ${kubelet.pid}`);
  t.is((await kubelet.ended).status, 7);
  t.deepEqual(log(), ['started', 'reloaded', 'ended', '']);
  const killed = await startKubelet(node, '--');
  await node.shell(`kill -KILL ${killed.pid}`);
  t.is((await killed.ended).status, 137);
  const cat = await node.run([mounter, 'kubelet', '--', 'sh', '-c', 'cat; echo err >&2'], { input: 'in\n' });
  t.deepEqual(cat, { status: 0, stdout: 'in\n', stderr: 'err\n' });
});

test.serial(
  "the kubelet has the caller's pid, environment, limits, umask and descriptors, and no others",
  async (t) => {
    await using node = await readyNode();
    // No pipe: the shell would hold an end of it while ls looks.
    const inside = `echo $$; ls -m /proc/$$/fd; cat <&4; umask; ulimit -Sn; ulimit -Hn; pwd; env | sort
    exec sed -n '/^Sig[BI]/p' /proc/self/status`;
    const script = `umask 027; ulimit -Sn 777; echo outside >/tmp/seven
    sh -c 'echo $$; exec 3</tmp/seven 4<&3 5<&3 6<&3; exec env -i LISTEN_PID=$$ LISTEN_FDS=2 A="b c" "NOTIFY_SOCKET=/run/x" PATH=/usr/bin:/bin "$@"' sh ${mounter} kubelet -- /bin/sh -c "$0"; exit $?`;
    const ran = await node.run(['sh', '-c', script, inside]);
    t.is(ran.stderr, '');
    const [pid, own, descriptors, seven, umask, soft, hard, directory, ...rest] = ran.stdout.split('\n');
    t.is(own, pid, 'exec keeps the pid');
    t.is(descriptors, '0, 1, 2, 3, 4');
    t.is(seven, 'outside');
    t.is(umask, '0027');
    t.is(soft, '777');
    t.is(hard, (await node.shell('ulimit -Hn')).trim());
    t.is(directory, `${kubeletRoot}/srv/work`, 'as the image says');
    t.deepEqual(rest.slice(0, 7), [
      'A=b c',
      'FROM_IMAGE=yes',
      'LISTEN_FDS=2',
      `LISTEN_PID=${pid}`,
      'NOTIFY_SOCKET=/run/x',
      'PATH=/usr/bin:/bin',
      `PWD=${kubeletRoot}/srv/work`,
    ]);
    t.regex(ran.stdout, /^SigBlk:\t0{16}\nSigIgn:\t0{16}$/m);
    // Where it has to mount something first, too.
    await node.mustRun('teardown');
    const ignoring = ['env', '--ignore-signal=HUP', '--block-signal=USR1', mounter, 'kubelet', '--'];
    const masks = await node.run([...ignoring, 'sed', '-n', '/^Sig[BI]/p', '/proc/self/status']);
    t.is(masks.stdout, 'SigBlk:\t0000000000000200\nSigIgn:\t0000000000000001\n');
    const bytes = `${mounter} kubelet -- /bin/sh -c 'printf %s "$1"' sh "$(printf 'caf\\351')" | od -An -tx1`;
    t.is(await node.shell(bytes), ' 63 61 66 e9\n', 'not UTF-8');
  },
);

test.serial('it costs no memory while the kubelet runs: nothing of the mounter is left', async (t) => {
  await using node = await readyNode();
  const kubelet = await startKubelet(node, '--');
  t.deepEqual(node.processesOf('mounter'), []);
  t.deepEqual(node.processesOf('flock'), [], 'no lock is held');
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(node.read(`/proc/${kubelet.pid}/status`)) ?? [];
  t.true(Number(kilobytes) < 5 * 1024, `${kilobytes} kB`);
  t.is(await node.mustRun('prepare'), 'prepared already; nothing to do\n');
  await node.shell(`kill ${kubelet.pid}`);
  await kubelet.ended;
});

test.serial('--host-root offers / once more, with the propagation that is asked for', async (t) => {
  await using node = await readyNode({ isWritable: true });
  const before = describeMounts(node);
  await node.shell('mkdir -p /host /tmp/slave /tmp/shared');
  const make = (name: string) => `mount -t tmpfs ${name} /host/tmp/${name}; mountpoint -q /host/tmp/${name}`;
  await mustRunInKubelet(node, `${make('slave')}; test -e /host/usr/bin/id`, '--host-root', '/host');
  t.deepEqual(node.entriesOf('/tmp/slave'), [], 'it ends with the kubelet');
  await mustRunInKubelet(node, make('shared'), '--host-root', '/host:shared');
  t.is(await node.shell('findmnt -no SOURCE /tmp/shared'), 'shared\n');
  await mustRunInKubelet(node, 'test ! -e /host/etc; mountpoint -q /tmp/shared');
  const missing = await inKubelet(node, ':', '--host-root', '/none');
  t.deepEqual(
    [missing.status, missing.stderr.split('\n')[0]],
    [2, 'mounter: /none: this host path does not exist'],
  );
  await node.shell(`umount /tmp/shared ${kubeletDirectory}`);
  t.deepEqual(describeMounts(node), before);
  await node.shell('mount --make-rprivate /');
  const refused = await inKubelet(node, ':', '--host-root', '/host:shared');
  t.is(refused.status, 2);
  t.regex(
    refused.stderr,
    /^mounter: \/: is not shared on this host, and cannot be offered so\nhint: run mount --make-rshared \//,
  );
});

test.serial("--root-dir, and the kubelet's own, name the directory to share", async (t) => {
  await using node = await readyNode();
  await node.shell('mkdir -p /var/lib/data /var/lib/third; ln -s data /var/lib/other');
  const missing = await inKubelet(node, ':', '--root-dir', '/var/lib/none');
  t.deepEqual([missing.status, missing.stdout], [2, '']);
  t.regex(missing.stderr, /^mounter: \/var\/lib\/none: this host path does not exist\nhint: /);
  await mustRunInKubelet(
    node,
    'mkdir /var/lib/other/v; mount -t tmpfs v /var/lib/other/v',
    '--root-dir',
    '/var/lib/other/',
  );
  t.is(node.entriesOf('/var/lib/data/v').length, 1);
  t.is(node.entriesOf('/v').length, 1);
  const dryRun = await node.mustRun('kubelet', '--dry-run', '--root-dir=/var/lib/other', '--', '--v=2');
  t.regex(dryRun, /kubelet --root-dir=\/var\/lib\/other --v=2\n$/);
  const { status, stderr } = await node.mounter(
    'kubelet',
    '--root-dir=/var/lib/other',
    '--',
    '--root-dir=/var/lib/third',
  );
  t.deepEqual(
    [status, stderr.split('\n')[0]],
    [1, "mounter: /var/lib/other: the kubelet's own --root-dir is another one: /var/lib/third"],
  );
  const flag = '--root-dir=/var/lib/third';
  t.is(
    (
      await node.mounter(
        'kubelet',
        '--',
        flag,
        '--run=mkdir /var/lib/third/w; mount -t tmpfs w /var/lib/third/w',
        '--exit=0',
      )
    ).status,
    0,
  );
  t.is(node.entriesOf('/var/lib/third/w').length, 1);
  await node.shell('umount /var/lib/third/w /var/lib/data/v');
  await node.mustRun('teardown');
  t.deepEqual(
    node.mountinfo().filter(({ mountPoint }) => /kubelet|other|data|third/.test(mountPoint)),
    [],
  );
});

test.serial('teardown refuses while a kubelet runs, then undoes all; two roots', async (t) => {
  await using node = await ScratchNode.installed();
  const before = describeMounts(node);
  await node.mustRun('prepare');
  await extractKubelet(node);
  await extractKubelet(node, { directory: '/var/lib/second' });
  t.is((await node.mounter('kubelet', '--rootfs', '/var/lib/second', '--', '--exit=5')).status, 5);
  const kubelet = await startKubelet(node, '--');
  const running = describeMounts(node);
  const refused = await node.mounter('teardown');
  t.is(refused.status, 2);
  t.regex(refused.stderr, /^mounter: teardown: process \d+ \(kubelet\) runs inside the rootfs\nhint: /);
  t.deepEqual(describeMounts(node), running);
  const seenByKubelet = () =>
    node
      .read(`/proc/${kubelet.pid}/mountinfo`)
      .split('\n')
      .filter((line) => !line.includes(' /run/containerized-mounter/namespaces'));
  const seen = seenByKubelet();
  t.regex(await node.mustRun('teardown', '--keep-kubelet'), /namespaces/);
  t.deepEqual(seenByKubelet(), seen, 'the kubelet sees what it saw');
  t.is(await node.mustRun('teardown', '--keep-kubelet'), 'not prepared; nothing to do\n');
  await node.shell(`kill ${kubelet.pid}`);
  await kubelet.ended;
  await node.mustRun('teardown');
  t.deepEqual(describeMounts(node), before);
  t.is(await node.mustRun('teardown'), 'not prepared; nothing to do\n');
  t.is((await node.mounter('kubelet', '--', '--exit=6')).status, 6, 'and again, without prepare');
});

test.serial(
  'chroot: teardown --keep-kubelet takes back what was shared for others than the kubelet',
  async (t) => {
    await using node = await ScratchNode.prepared({ enter: 'chroot' });
    await extractKubelet(node);
    await node.shell('mkdir /var/lib/other');
    const kubelet = await startKubelet(node, '--root-dir=/var/lib/other', '--');
    const done = await node.mustRun('teardown', '--keep-kubelet');
    t.regex(done, /^unmounted \/var\/lib\/kubelet$/m);
    t.is(node.entriesOf('/var/lib/other').length, 1);
    await node.shell(`kill ${kubelet.pid}`);
    await kubelet.ended;
    t.is(await node.mustRun('teardown'), 'unmounted /var/lib/other\n');
  },
);

test.serial('eight at once mount once', async (t) => {
  await using node = await readyNode();
  const ran = await Promise.all(
    Array.from({ length: 8 }, () => node.mounter('kubelet', '-v', '--', '--exit=6')),
  );
  t.deepEqual(
    ran.map(({ status }) => status),
    Array(8).fill(6),
  );
  t.is(ran.filter(({ stderr }) => /mount --make-shared/.test(stderr)).length, 1);
});

test.serial('killed at any moment, it is finished by the next one', async (t) => {
  await using node = await readyNode();
  await node.mounter('kubelet', '--', '--exit=0');
  const wanted = describeMounts(node);
  for (const seconds of momentsOver(rounds(5, 10), 0.02, 0.22)) {
    await node.mustRun('teardown');
    await node.mustRun('prepare');
    await node.run(['timeout', '--foreground', '-s', 'KILL', seconds, mounter, 'kubelet', '--', '--wait']);
    t.like(await node.mounter('kubelet', '--', '--exit=6'), { status: 6, stderr: '' }, seconds);
    t.deepEqual([...describeMounts(node)].sort(), [...wanted].sort(), `killed after ${seconds} s`);
  }
  t.deepEqual(kubeletsOf(node), []);
});

test.serial('a kubelet directory that is shared no more is so again at the next start', async (t) => {
  await using node = await readyNode();
  await mustRunInKubelet(node, ':');
  await node.shell(`mount --make-private ${kubeletDirectory}`);
  const make = `mkdir -p ${kubeletDirectory}/pods/v; mount -t tmpfs v ${kubeletDirectory}/pods/v`;
  await mustRunInKubelet(node, make);
  t.is(node.entriesOf(`${kubeletDirectory}/pods/v`).length, 1);
  await mustRunInKubelet(node, `umount ${kubeletDirectory}/pods/v`);
  t.is(node.entriesOf(`${kubeletDirectory}/pods/v`).length, 0);
  await node.shell(`rm /etc/hosts; echo 192.0.2.9 new.example >/etc/hosts`);
  t.regex(await mustRunInKubelet(node, 'cat /etc/hosts'), /new.example/, 'a file that was replaced');
});

test.serial(
  'volumes that were mounted before, on a / that is shared, stay and are unmounted from inside',
  async (t) => {
    await using node = await ScratchNode.installed();
    await extractKubelet(node);
    const pods = `${kubeletDirectory}/pods`;
    await node.shell(
      `mkdir -p ${pods}/old ${pods}/new; mount -t tmpfs old ${pods}/old; echo secret >${pods}/old/token`,
    );
    const before = node.mountinfo();
    t.is(await mustRunInKubelet(node, `cat ${pods}/old/token; mount -t tmpfs new ${pods}/new`), 'secret\n');
    t.deepEqual(node.mountinfo().slice(0, before.length), before, 'nothing but the new volume');
    t.is(node.mountinfo().length, before.length + 1);
    await mustRunInKubelet(node, `umount ${pods}/old ${pods}/new`);
    t.deepEqual(node.entriesOf('/old'), []);
    t.deepEqual(node.entriesOf('/new'), []);
  },
);

test.serial('an image that is noexec, and a resolv.conf below /run', async (t) => {
  await using node = await ScratchNode.prepared();
  await node.shell(`mkdir -p ${kubeletRoot}; mount -t tmpfs -o noexec,nodev disk ${kubeletRoot}`);
  await extractKubelet(node, { directory: `${kubeletRoot}/image` });
  await node.shell(
    'mkdir -p /run/systemd/resolve; echo nameserver 192.0.2.1 >/run/systemd/resolve/resolv.conf; ln -sf /run/systemd/resolve/resolv.conf /etc/resolv.conf',
  );
  const rootfs = ['--rootfs', `${kubeletRoot}/image`];
  t.is(await mustRunInKubelet(node, 'cat /etc/resolv.conf', ...rootfs), 'nameserver 192.0.2.1\n');
  const kubelet = await startKubelet(node, ...rootfs, '--');
  await node.shell('echo nameserver 192.0.2.2 >/run/new; mv /run/new /run/systemd/resolve/resolv.conf');
  t.is(await node.shell(`chroot /proc/${kubelet.pid}/root cat /etc/resolv.conf`), 'nameserver 192.0.2.2\n');
  await node.shell(`kill ${kubelet.pid}`);
  await kubelet.ended;
  await node.shell('rm /etc/resolv.conf; echo nameserver 192.0.2.3 >/etc/resolv.conf');
  t.is(await mustRunInKubelet(node, 'cat /etc/resolv.conf', ...rootfs), 'nameserver 192.0.2.3\n');
  await node.shell('ln -sf /run/systemd/resolve/resolv.conf /etc/resolv.conf');
  t.is(await mustRunInKubelet(node, 'cat /etc/resolv.conf', ...rootfs), 'nameserver 192.0.2.2\n');
});

test.serial('whatever the image has in the place of directories of the host', async (t) => {
  await using node = await ScratchNode.prepared();
  const image = await kubeletImage([
    { name: 'var/run', type: 'directory' },
    { name: 'etc/hosts', type: 'symlink', linkname: '/nowhere/at/all' },
    { name: 'var/log', content: 'a file' },
    { name: 'srv', type: 'symlink', linkname: '../../../../elsewhere' },
  ]);
  await extractKubelet(node, { image, directory: '/var/lib/one' });
  await mustRunInKubelet(
    node,
    'test -e /var/run/containerized-mounter; grep -q localhost /etc/hosts; echo x >/var/log/x; test -d /srv',
    '--rootfs',
    '/var/lib/one',
  );
  t.is(node.read('/var/log/x'), 'x\n');
});

test.serial('bad input: one line that names it, and what to do; nothing is mounted', async (t) => {
  await using node = await readyNode();
  await node.shell(`mkdir /var/lib/empty; echo >/var/lib/file; cd ${kubeletRoot}/usr/local/bin
    echo '#!/no/such/shell' >script; echo text >text; chmod +x script text; cp kubelet plain; chmod -x plain
    { head -c 18 kubelet; printf '${process.arch === 'x64' ? '\\267' : '\\76'}'; tail -c +20 kubelet; } >foreign; chmod +x foreign; ln -s /usr/local/bin/loop loop; mkdir directory`);
  const before = describeMounts(node);
  const cases: readonly (readonly [argv: readonly string[], status: number, message: RegExp])[] = [
    [
      ['--rootfs', '/var/lib/none', '--', 'x'],
      2,
      /^mounter: \/var\/lib\/none: there is no image\nhint: mounter install IMAGE --into \/var\/lib\/none /,
    ],
    [['--rootfs', '/var/lib/empty', '--', 'x'], 2, /: is empty: there is no image\n/],
    [['--rootfs', '/var/lib/file', '--', 'x'], 2, /: is no directory\n/],
    [['--rootfs', '/', '--', 'x'], 2, /: is the root of the host\n/],
    [
      ['--rootfs', `${mounterHome}/rootfs`, '--', 'x'],
      2,
      /: lies in or around \/\S+, which an image has to be apart from\n/,
    ],
    [
      ['--rootfs', '/var/lib', '--', 'x'],
      2,
      /: lies in or around \/\S+, which an image has to be apart from\n/,
    ],
    [['--', 'none'], 127, /there is no such program in the image, nor in another directory of PATH=/],
    [['--', '/no/such'], 127, /\/no\/such: there is no such program in the image\n/],
    [['--', 'directory'], 127, /there is no such program/],
    [['--', 'loop'], 127, /there is no such program/],
    [['--', '/usr/local/bin/plain'], 126, /: is not executable\nhint: chmod \+x/],
    [['--', 'script'], 127, /: needs \/no\/such\/shell, which is not in the image\n/],
    [['--', 'text'], 126, /: is neither an ELF program nor a script/],
    [
      ['--', 'foreign'],
      126,
      /: is for another architecture than this machine's \w+ \(ELF machine \d+\)\nhint: .*--platform/,
    ],
    [
      ['kubelet', '--x'],
      1,
      /^mounter: kubelet: the command has no -- before it\nhint: mounter kubelet -- kubelet --x/,
    ],
    [['--rootdir', '/x', '--'], 1, /unknown option\nhint: did you mean --root-dir\?/],
    [['--root-dir', 'relative', '--'], 1, /is no absolute path/],
    [['--root-dir', '/', '--'], 1, /is no absolute path of a directory below \//],
    [['--root-dir', '/run/none', '--'], 2, /does not exist/],
    [['--host-root', 'host', '--'], 1, /is not an absolute path/],
    [['--host-root', '/a/../b', '--'], 1, /is not an absolute path/],
    [['--host-root', '/host:private', '--'], 1, /private is neither slave nor shared/],
    [
      ['--host-root', '/run', '--'],
      2,
      /^mounter: \/: would hide \/run\/containerized-mounter\/kubelet from the kubelet\n/,
    ],
    [['--json', '--'], 1, /goes with --dry-run alone/],
  ];
  for (const [argv, status, message] of cases) {
    const ran = await node.mounter('kubelet', ...argv);
    t.is(ran.status, status, `${argv.join(' ')}: ${ran.stderr}`);
    t.regex(ran.stderr, message);
    t.is(ran.stderr.split('\n').length, 3, ran.stderr);
    t.is(ran.stdout, '');
  }
  t.deepEqual(describeMounts(node), before);
  await node.shell(`rm ${kubeletRoot}.image.json`);
  t.regex(
    (await node.mounter('kubelet', '--', '--exit=0')).stderr,
    /no command is given, and none is known of the image/,
  );
  await node.shell(`echo broken >${kubeletRoot}.image.json`);
  t.regex(
    (await node.mounter('kubelet', '--', '--exit=0')).stderr,
    /\.image\.json: is no record of an image/,
  );
  const other = await node.run([
    'setpriv',
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    mounter,
    'kubelet',
    '--',
    'x',
  ]);
  t.regex(other.stderr, /needs root/);
});

test.serial('an image on a read-only filesystem: nothing is written in it', async (t) => {
  await using node = await ScratchNode.prepared();
  await extractKubelet(node, { directory: '/var/lib/image' });
  await node.shell('mount --bind /var/lib/image /var/lib/image; mount -o remount,bind,ro /var/lib/image');
  const before = node.mountinfo();
  t.is((await node.mounter('kubelet', '--rootfs', '/var/lib/image', '--', '--exit=5')).status, 5);
  await node.mustRun('teardown');
  t.true(
    node.mountinfo().some(({ mountPoint }) => mountPoint === '/var/lib/image'),
    'nor is its mount ours',
  );
  t.true(node.mountinfo().length < before.length);
});

test.serial('what an earlier version has mounted in the image is taken away with the rest', async (t) => {
  await using node = await readyNode();
  const before = describeMounts(node);
  const earlier = [{ root: kubeletRoot, kubeletDirectory, targets: [`${kubeletRoot}/run`] }];
  await node.shell(`mount --bind --make-private ${kubeletRoot} ${kubeletRoot}
    mkdir -p ${kubeletRoot}/run; mount --rbind /run ${kubeletRoot}/run; mount --make-rslave ${kubeletRoot}/run
    echo '${JSON.stringify(earlier)}' >/run/containerized-mounter/kubelet-roots`);
  t.is((await node.mounter('kubelet', '--', '--exit=5')).status, 5);
  await node.mustRun('teardown');
  await node.mustRun('prepare');
  t.deepEqual(describeMounts(node), before);
});

test.serial('--dry-run prints the plan and changes nothing', async (t) => {
  await using node = await readyNode();
  const before = describeMounts(node);
  const text = await node.mustRun('kubelet', '--dry-run', '--host-root', '/srv:shared', '--', '--exit=5');
  t.regex(text, new RegExp(`^mount --bind --make-private ${kubeletDirectory} ${kubeletDirectory}\n`));
  t.regex(
    text,
    /\nunshare --mount --propagation slave\nlays on \/usr\/bin: \d+ of the image, \d+ that only the host has\n/,
  );
  t.regex(text, /\nmount --rbind --make-rshared \/ \/srv\n/);
  t.regex(text, /\n\/usr\/local\/bin\/kubelet --exit=5\n$/);
  const plan = JSON.parse(await node.mustRun('kubelet', '--dry-run', '--json', '--', '--exit=5'));
  t.like(plan, {
    rootfs: kubeletRoot,
    mounts: [{ from: kubeletDirectory, to: kubeletDirectory, type: 'rbind', propagation: 'shared' }],
    path: '/usr/local/bin/kubelet',
    argv: ['kubelet', '--exit=5'],
    workingDirectory: '/work',
    environment: { FROM_IMAGE: 'yes' },
  });
  t.deepEqual(describeMounts(node), before);
  await node.mounter('kubelet', '--', '--exit=5');
  t.deepEqual(JSON.parse(await node.mustRun('kubelet', '--dry-run', '--json', '--', '--exit=5')).actions, []);
});

test.serial('secrets among the flags of a kubelet are neither shown nor recorded', async (t) => {
  await using node = await readyNode();
  const secret = ['--bootstrap-token=hunter2', '--token', 'hunter2'];
  const said = [
    await node.mounter('kubelet', '--dry-run', '--', ...secret),
    await node.mounter('kubelet', '--dry-run', '--json', '--', ...secret),
    await node.mounter('kubelet', '-v', '--', '--exit=5', ...secret),
    await node.mounter('kubelet', 'kubelet', ...secret),
    await node.mounter('kubelet', '--bootstrap-token=hunter2', '--', '--exit=5'),
    await node.mounter('kubelet', '--root-dir', '/run/none', '--', ...secret),
  ];
  t.deepEqual(
    said.map(({ status }) => status),
    [0, 0, 5, 1, 1, 2],
  );
  const record = node.read('/var/log/containerized-mounter/mounter.log');
  t.regex(said[0]?.stdout ?? '', /kubelet --bootstrap-token=<masked> --token <masked>\n$/);
  t.regex(said[3]?.stderr ?? '', /hint: mounter kubelet -- kubelet .--bootstrap-token=<masked>/);
  t.regex(record, /"command":"kubelet","arguments":\["--root-dir","\/run\/none","--"\]/);
  // What the kubelet itself says of its flags is its own.
  const ours = said.map(({ stdout, stderr }, index) => (index === 2 ? stderr : stdout + stderr));
  t.notRegex([...ours, record].join(''), /hunter2/);
});

test.serial("the mounter in a chroot of somebody else's stays in it", async (t) => {
  await using node = await readyNode();
  await extractKubelet(node, { directory: '/var/lib/other' });
  await node.shell(`mkdir -p /var/lib/other/proc /var/lib/other/opt; mount --bind /proc /var/lib/other/proc
    touch /var/lib/other/opt/mounter; mount --bind ${mounter} /var/lib/other/opt/mounter`);
  t.regex(
    await node.shell('chroot /var/lib/other /opt/mounter status || :'),
    /none: run mounter install SOURCE/,
  );
  t.regex(await mustRunInKubelet(node, `${mounterHome}/mounter status`), /prepared +yes/);
});
