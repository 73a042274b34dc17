import { rmSync, statSync } from 'node:fs';
import test from 'ava';
import { mount, newTarget, setting } from '../support/gluster/gluster-node.ts';
import { examineIn } from '../support/node/examine.ts';
import { installedMounter, mounterHome, type Ran, ScratchNode } from '../support/node/namespace.ts';
import { asNobody, blockingProcess, compileBlockingProcess } from '../support/node/stranger.ts';

/** Whoever has no privileges on the node does what he can, and the mounter goes on as if he were not there. */

const startStatd = ['exec', '--', '/usr/sbin/start-statd'] as const;
const locks = '/run/containerized-mounter/locks';

/** What the mounter looks for by their names. */
const names = ['glusterfs', 'glusterfsd', 'rpcbind', 'rpc.statd', 'sm-notify', 'kubelet', 'mounter', 'x'];

/** Longer than any takes on a machine under load. Who waits for a stranger waits for ever, or fails after a minute. */
const limitSeconds = 50;

async function within(node: ScratchNode, argv: readonly string[]): Promise<Ran> {
  return node.run(['timeout', '-s', 'KILL', String(limitSeconds), installedMounter, ...argv]);
}

async function mountMilliseconds(node: ScratchNode, source: string, target: string): Promise<number> {
  const began = performance.now();
  const { status, stderr } = await mount(node, source, target);
  const milliseconds = performance.now() - began;
  if (status !== 0) throw new Error(stderr);
  await node.shell(`umount ${target}`);
  return milliseconds;
}

/**
 * How many times as long a mount takes on the first of `nodes` as on the second: the median of pairs, of which each is
 * measured at once, since other suites may have the CPUs at one time or another.
 */
async function timesAsLong(nodes: readonly [ScratchNode, ScratchNode], source: string): Promise<number> {
  const [slow, usual] = nodes;
  const targets = [await newTarget(slow), await newTarget(usual)] as const;
  const ratios: number[] = [];
  const median = () => ratios.toSorted((a, b) => a - b)[Math.floor(ratios.length / 2)] ?? Number.NaN;
  while (ratios.length < 40 && (ratios.length < 8 || median() > 1.2)) {
    const slowed = await mountMilliseconds(slow, source, targets[0]);
    ratios.push(slowed / (await mountMilliseconds(usual, source, targets[1])));
  }
  return median();
}

for (const enter of [undefined, 'chroot'] as const) {
  const title = enter ?? 'the default way';

  test.serial(
    `${title}: processes that block whoever asks about them stop no command and no mount`,
    async (t) => {
      await using place = await setting(enter);
      const { node, source } = place;
      await node.mustRun(...startStatd);
      const health = (await node.mounter('doctor')).status;
      await compileBlockingProcess(node);
      for (const name of names) await blockingProcess(node, name, 'nobody');
      // Their roots answer nobody of another user namespace; those of a container answer root, and keep it waiting.
      for (const name of names) await blockingProcess(node, name, 'root');
      const { pid } = await blockingProcess(node, 'y', 'root');
      await node.shell(`! timeout -s KILL 1 cat /proc/${pid}/cmdline`);
      await node.shell(`stat /proc/${pid}/root/. >/dev/null 2>&1 & sleep 1; kill -0 $!`);

      const target = await newTarget(node);
      t.is((await mount(node, source, target)).status, 0);
      for (const argv of [
        ['status', '--json'],
        ['status', '--metrics'],
        ['versions'],
        ['prune', '--keep', '1', '--dry-run'],
        ['prepare'],
        ['log'],
        startStatd,
      ]) {
        const began = performance.now();
        const { status, stderr } = await within(node, argv);
        t.log(`${argv.join(' ')}: ${Math.round(performance.now() - began)} ms`);
        t.is(status, 0, `${argv.join(' ')}: ${stderr}`);
      }
      const { volumes, lockServices } = JSON.parse(await node.mustRun('status', '--json'));
      t.is(volumes.length, 1);
      t.is(lockServices.rpcbind.owner, 'rootfs', 'a name makes no rpcbind');
      t.deepEqual(lockServices.surplusRpcbinds, []);
      t.is((await within(node, ['doctor'])).status, health);
      const failed = await mount(node, `${place.server.address}:nosuch`, await newTarget(node));
      t.not(failed.status, 0);
      await node.shell(`umount ${target}`);
      // It shares the server, and sees no process of this one.
      await using other = await ScratchNode.prepared({
        enterNetwork: place.server.enter,
        ...(enter === undefined ? {} : { enter }),
      });
      const times = await timesAsLong([node, other], source);
      t.log(`a mount with strangers: ${times.toFixed(2)} times as long`);
      t.true(times <= 1.2, `${times} times as long`);

      // Those of the rootfs are ended and started again, and no stranger is.
      await node.shell('kill -STOP $(cat /run/rpc.statd.pid)');
      t.is((await within(node, startStatd)).status, 0);
      const { stdout, status, stderr } = await within(node, ['teardown']);
      t.is(status, 0, stderr);
      t.regex(stdout, /^ended (rpcbind|rpc\.statd) .*\nended (rpcbind|rpc\.statd) /m);
      await node.shell(`[ $(grep -l '^State:.D' /proc/[0-9]*/status | wc -l) -ge ${2 * names.length} ]`);
    },
  );
}

/** Holds a lock on all that it can open below these directories. */
const holdAll = `find /run /tmp /home ${mounterHome} /var/log -xdev \\( -type f -o -type d \\) 2>/dev/null |
  while read -r path; do flock -n "$path" sleep 1000 </dev/null >/dev/null 2>&1 & done`;

test.serial('a lock that anybody holds keeps nobody waiting', async (t) => {
  await using node = await ScratchNode.prepared();
  const milliseconds = async (argv: readonly string[]) => {
    const began = performance.now();
    const { status, stderr } = await within(node, argv);
    t.is(status, 0, `${argv.join(' ')}: ${stderr}`);
    return performance.now() - began;
  };
  const calls = [
    ['prepare'],
    ['prune', '--dry-run'],
    ['install', '/mnt/dist/rootfs.tar.zst'],
    startStatd,
    ['teardown'],
  ];
  await node.mustRun(...startStatd);
  const usual: number[] = [];
  for (const argv of calls) usual.push(await milliseconds(argv));
  await node.mustRun('prepare');
  await node.mustRun(...startStatd);
  await node.run([...asNobody, 'sh', '-c', holdAll]);
  t.true(node.processesOf('flock').length + node.processesOf('sleep').length > 3, 'some of them can be held');
  for (const [index, argv] of calls.entries()) {
    const ms = await milliseconds(argv);
    t.true(
      ms < 9000 + 2 * (usual[index] ?? 0),
      `${argv.join(' ')}: a limit of time was waited for: ${ms} ms`,
    );
  }
});

test.serial('the record is rotated whoever locks its directory', async (t) => {
  await using node = await ScratchNode.prepared();
  const log = '/var/log/containerized-mounter/mounter.log';
  await node.run([...asNobody, 'sh', '-c', holdAll]);
  await node.shell(`head -c 11000000 /dev/zero | tr '\\0' '\\n' >>${log}`);
  await node.mustRun('log', '--rotate');
  t.true(
    statSync(node.path(log), { throwIfNoEntry: false }) === undefined || statSync(node.path(log)).size < 1000,
  );
});

test.serial('the images, the locks and what is remembered are root’s alone', async (t) => {
  await using node = await ScratchNode.prepared();
  for (const path of [
    `${mounterHome}/versions`,
    `${mounterHome}/rootfs/usr/sbin/mount.nfs`,
    '/run/containerized-mounter/settings',
    locks,
  ]) {
    const { status, stderr } = await node.run([...asNobody, 'ls', path]);
    t.not(status, 0, path);
    t.regex(stderr, /Permission denied/);
  }
  // Not root, and in there.
  const inside = ['exec', '--', 'cat', '/etc/netconfig', '/run/rpc.statd.pid'];
  await node.mustRun(...startStatd);
  t.regex(await node.mustRun(...inside), /udp/);
});

const made = (node: ScratchNode, path: string) => statSync(node.path(path)).mode & 0o7777;

test.serial(
  'what a version before has left open is closed, and nobody’s old lock is waited for',
  async (t) => {
    await using node = await ScratchNode.prepared();
    await node.mustRun('teardown');
    const old = [
      '/run/containerized-mounter/node.lock',
      '/run/containerized-mounter/versions.lock',
      '/run/start-statd.lock',
    ];
    await node.shell(
      `rm -r ${locks}; chmod 0755 /run/containerized-mounter ${mounterHome}/versions; touch ${old.join(' ')}`,
    );
    for (const path of old)
      await node.run([...asNobody, 'sh', '-c', `flock ${path} sleep 1000 </dev/null >/dev/null 2>&1 &`]);
    await node.shell('sleep 0.2');
    const finding = (await examineIn(node)).findings.find(({ check }) => check === 'versions');
    t.like(finding, { level: 'warning', hint: 'run mounter prepare' });
    const done = await within(node, ['prepare']);
    t.is(done.status, 0, done.stderr);
    t.true(done.stdout.startsWith(`closed ${mounterHome}/versions to all but root\n`), done.stdout);
    for (const path of ['/run/containerized-mounter', locks, `${mounterHome}/versions`])
      t.is(made(node, path), 0o700, path);
    for (const path of old) t.is(statSync(node.path(path), { throwIfNoEntry: false }), undefined);
    t.is((await within(node, startStatd)).status, 0);
    t.is(await node.mustRun('prepare'), 'prepared already; nothing to do\n');
  },
);

for (const [title, script] of [
  ['a symlink', 'ln -s /tmp/elsewhere DIRECTORY'],
  ['a file', 'touch DIRECTORY'],
  ['another user’s directory, with a lock in it that he holds', 'install -d -o 65534 DIRECTORY'],
] as const) {
  test.serial(`in the place of the locks: ${title}`, async (t) => {
    await using node = await ScratchNode.installed();
    rmSync(node.path('/run/containerized-mounter'), { recursive: true, force: true });
    for (const directory of ['/run/containerized-mounter', locks]) {
      await node.shell(
        `mkdir -p /tmp/elsewhere; rm -rf ${directory}; ${script.replaceAll('DIRECTORY', directory)}`,
      );
      await node.run([
        ...asNobody,
        'sh',
        '-c',
        `for name in node start-statd; do flock ${directory}/$name sleep 1000 </dev/null >/dev/null 2>&1 & done; sleep 0.2`,
      ]);
      const { status, stderr } = await within(node, ['prepare']);
      t.is(status, 0, stderr);
      t.is((await within(node, startStatd)).status, 0);
      for (const path of ['/run/containerized-mounter', locks]) {
        const { uid, mode } = statSync(node.path(path));
        t.deepEqual([uid, mode & 0o7777], [0, 0o700], path);
      }
      t.deepEqual(await node.shell('ls /tmp/elsewhere'), '');
    }
  });
}

test.serial(
  'an image that others can reach is said to be so; a directory that is made for it is closed',
  async (t) => {
    await using node = await ScratchNode.start();
    await node.shell('tar -C / -cf /tmp/image.tar etc/passwd');
    const open = await node.mounter('install', '/tmp/image.tar', '--into', '/home/open');
    t.is(open.status, 0, open.stderr);
    t.regex(
      open.stderr,
      /^mounter: \/home\/open: every user .*\nhint: mounter install \/tmp\/image.tar --into \/home\/open.d\/image /,
    );
    const closed = await node.mounter('install', '/tmp/image.tar', '--into', '/home/open.d/image');
    t.is(closed.stderr, '');
    t.not((await node.run([...asNobody, 'ls', '/home/open.d/image'])).status, 0);
  },
);
