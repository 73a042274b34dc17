import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { compileEvil, VolfileServer } from '../support/gluster/evil-volume.ts';
import {
  daemonsOf,
  mount,
  newTarget,
  nothingLeft,
  options,
  type Setting,
  setting,
} from '../support/gluster/gluster-node.ts';
import { everyNth } from '../support/long-run.ts';
import type { EnterMode } from '../support/node/enter-mode.ts';
import { setLimits } from '../support/node/limits.ts';
import { installedMounter, mounterHome, type ScratchNode } from '../support/node/namespace.ts';

/** A GlusterFS server chooses neither code nor commands, files or sockets of the node: src/guard. */

const modes: readonly EnterMode[] = ['attach', 'chroot'];

/** On the host; in every rootfs /var/log/glusterfs, which a daemon can write to. */
const logDirectory = '/var/log/containerized-mounter/glusterfs';
/** Made when the server's code has run. */
const mark = `${logDirectory}/evil`;
const markInside = '/var/log/glusterfs/evil';
const evilLibrary = `${logDirectory}/evil.so`;
/** Of a volfile's `type`: out of the directory of translators, to evilLibrary. */
const wayOut = '../../../../../../../../var/log/glusterfs/evil';

const volume = (type: string, ...settings: readonly string[]) =>
  ['volume evil', `  type ${type}`, ...settings.map((line) => `  ${line}`), 'end-volume', ''].join('\n');
const client = (...settings: readonly string[]) =>
  volume('protocol/client', 'option remote-host 127.0.0.1', 'option remote-subvolume /x', ...settings);

/** Its volumes are served on 127.0.0.1, beside the real server's. */
const evilSource = '127.0.0.1:evil';

interface Attack {
  readonly title: string;
  readonly volfile: string;
  /** What the call says of it. */
  readonly says: RegExp;
  /** What of it can be seen where there is no guard. */
  readonly isDone?: true;
}

const attacks: readonly Attack[] = [
  {
    title: 'a translator by a way out of the directory of translators',
    volfile: volume(wayOut),
    says: /refused by mounter: the volume asks for code .*evil\.so/,
    isDone: true,
  },
  {
    title: 'a transport by the same way',
    volfile: client(`option transport-type ${wayOut}`),
    // glusterfs looks first, at least in 10.3.
    says: /option transport-type \S+evil: .* is not valid/,
  },
  {
    title: 'a command in backticks',
    volfile: volume(`debug/io-stats\`touch ${markInside}\``),
    says: /refused by mounter: the volume asks to run a command: touch /,
    isDone: true,
  },
  {
    title: 'a second mount, which would also write what is asked of it to a file',
    volfile: volume('mount/fuse', 'option mountpoint /var/log', `option dump-fuse ${markInside}`),
    says: /refused by mounter: the volume asks for code .*xlator\/mount\/fuse\.so/,
  },
  {
    title: 'a translator of a server, which would show files of this node',
    volfile: volume('storage/posix', 'option directory /etc'),
    says: /refused by mounter: the volume asks for code .*storage\/posix\.so/,
  },
];

/** A node with evilLibrary, and a server of this volfile. */
async function attacked(enter: EnterMode, volfile: string): Promise<Setting & { evil: VolfileServer }> {
  const base = await setting(enter);
  try {
    // What is not refused goes on: without subvolumes that answer, to the deadline.
    setLimits(base.node, { mountSeconds: 60 });
    await compileEvil(base.node.path(evilLibrary), markInside);
    const evil = await VolfileServer.start(base.server.enter, '127.0.0.1', volfile);
    return {
      ...base,
      evil,
      async [Symbol.asyncDispose]() {
        await evil[Symbol.asyncDispose]();
        await base[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await base[Symbol.asyncDispose]();
    throw error;
  }
}

const hasRun = (node: ScratchNode): boolean => existsSync(node.path(mark));

for (const enter of modes) {
  for (const { title, volfile, says } of everyNth(2, attacks, enter === 'attach' ? 0 : 1)) {
    test.serial(`${enter}: ${title}: refused, the call says so, and nothing is left`, async (t) => {
      await using s = await attacked(enter, volfile);
      const target = await newTarget(s.node);
      const ran = await mount(s.node, evilSource, target);
      t.false(hasRun(s.node), 'nothing of it was done');
      t.not(ran.status, 0);
      t.regex(ran.stderr, says);
      nothingLeft(t, s.node, target);
      t.deepEqual(s.node.entriesOf('/var/log'), s.node.entriesOf('/var/log').slice(0, 1), 'no second mount');
    });
  }
}

/** The mount goes on all the same, as the link to the real glusterfs is there. */
const removeGuard = (node: ScratchNode) =>
  node.shell(`ln -sf glusterfsd ${mounterHome}/rootfs/usr/sbin/glusterfs`);

/** Or those above would pass for want of an attack. */
for (const { title, volfile } of attacks.filter(({ isDone }) => isDone)) {
  test.serial(`without the guard it is done: ${title}`, async (t) => {
    await using s = await attacked('chroot', volfile);
    await removeGuard(s.node);
    await mount(s.node, evilSource, await newTarget(s.node));
    t.true(hasRun(s.node));
  });
}

const bySocket = client('option transport-type unix', 'option transport.socket.connect-path /run/node.sock');

for (const [title, isGuarded] of [
  ['a socket of the node by its path is not connected to', true],
  ['without the guard a socket of the node is connected to', false],
] as const) {
  test.serial(title, async (t) => {
    await using s = await attacked('chroot', bySocket);
    if (!isGuarded) await removeGuard(s.node);
    const target = await newTarget(s.node);
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    server.listen(s.node.path('/run/node.sock'));
    await once(server, 'listening');
    const ran = await mount(s.node, evilSource, target);
    server.close();
    t.is(connections > 0, !isGuarded);
    t.not(ran.status, 0, ran.stderr);
    nothingLeft(t, s.node, target);
  });
}

test.serial(
  'a real volume: the daemon has two capabilities, no way to other programs, namespaces or processes',
  async (t) => {
    for (const enter of modes) {
      await using s = await setting(enter);
      const target = await newTarget(s.node);
      t.deepEqual(await mount(s.node, s.source, target), { status: 0, stdout: '', stderr: '' });
      const [daemon = 0] = daemonsOf(target);
      const status = readFileSync(`/proc/${daemon}/status`, 'utf8');
      // CAP_SYS_ADMIN and CAP_NET_BIND_SERVICE.
      for (const set of ['Prm', 'Eff']) t.regex(status, new RegExp(`^Cap${set}:\t0000000000200400$`, 'm'));
      t.regex(status, /^CapInh:\t0{16}$/m);
      t.regex(status, /^Name:\tglusterfs$/m);
      t.regex(status, /^NoNewPrivs:\t1$/m);
      t.regex(status, /^Seccomp:\t2$/m);
      // The last one is its fsgid, by which the kernel judges what of other processes it may open.
      t.regex(status, /^Gid:(\t2147400107){4}$/m);
      const environment = readFileSync(`/proc/${daemon}/environ`, 'utf8');
      t.true(environment.startsWith('LD_PRELOAD='), 'as it was started');
      await s.node.shell(`umount ${target}`);
    }
  },
);

test.serial(
  'a real volume works: owners, groups of the caller, attributes, locks, big files, the end of its daemon',
  async (t) => {
    await using s = await setting('attach');
    const target = await newTarget(s.node);
    t.deepEqual(await mount(s.node, s.source, target, options), { status: 0, stdout: '', stderr: '' });
    await s.node.shell(`cd ${target}
    echo a >a; chown 1234:4321 a; chmod 4755 a; [ "$(stat -c %u:%g:%a a)" = 1234:4321:4755 ]
    mknod device c 1 3; mkfifo fifo; ln a hard; ln -s a soft
    setfattr -n user.x -v y a; setfattr -n trusted.x -v y a; getfattr -n user.x a
    flock a true
    dd if=/dev/urandom of=big bs=1M count=20 conv=fsync; cp big copy; cmp big copy
    mkdir -m 0770 shared; chown 0:3000 shared
    setpriv --reuid 1000 --regid 1000 --groups 3000 sh -c 'echo x >shared/x'
    if setpriv --reuid 1000 --regid 1000 --clear-groups sh -c 'echo x >shared/y' 2>/dev/null; then exit 1; fi`);
    const [, daemon = 0] = daemonsOf(target);
    process.kill(daemon, 'SIGKILL');
    while (daemonsOf(target).length > 0) await setTimeout(20);
    // A Pod sees that its volume is dead, where it would write to the node's disk if somebody unmounted it.
    const { stderr } = await s.node.run(['stat', `${target}/a`]);
    t.regex(stderr, /Transport endpoint is not connected/);
    t.deepEqual(await mount(s.node, s.source, target, options), { status: 0, stdout: '', stderr: '' });
    await s.node.shell(`stat ${target}/a; umount ${target}`);
    t.deepEqual(s.node.entriesOf(target), []);
  },
);

/** As glusterd hands it out for v1. */
async function realVolfile(s: Setting): Promise<string> {
  return await s.server.run(['cat', '/var/lib/glusterd/vols/v1/trusted-v1.tcp-fuse.vol']);
}

const daemonLog = (node: ScratchNode): string =>
  readdirSync(node.path(logDirectory))
    .filter((name) => name.endsWith('.log'))
    .map((name) => node.read(`${logDirectory}/${name}`))
    .join('');

/** Another graph of translators, which a daemon has to switch to. */
const withoutCache = (volfile: string): string =>
  volfile
    .replace(/volume v1-write-behind\n[\s\S]*?end-volume\n+/, '')
    .replaceAll('v1-write-behind', 'v1-dht');

/** @param meanwhile again and again: a daemon switches when it is asked for something. */
async function waitForLog(
  t: ExecutionContext,
  node: ScratchNode,
  pattern: RegExp,
  meanwhile: string,
): Promise<void> {
  for (let turn = 0; turn < 200 && !pattern.test(daemonLog(node)); turn += 1) {
    await node.shell(meanwhile);
    await setTimeout(20);
  }
  t.true(pattern.test(daemonLog(node)), String(pattern));
}

const changes = attacks
  .filter(({ isDone }) => isDone)
  .flatMap((attack) => modes.map((enter) => ({ enter, ...attack })));

for (const { enter, title, volfile, says } of everyNth(3, changes)) {
  test.serial(
    `${enter}: a mounted volume that changes: a good change is followed, not ${title}`,
    async (t) => {
      await using s = await attacked(enter, '');
      const good = await realVolfile(s);
      s.evil.serve(good);
      const target = await newTarget(s.node);
      const ran = await mount(s.node, evilSource, target, 'log-level=INFO');
      t.deepEqual(ran, { status: 0, stdout: '', stderr: '' });
      await s.node.shell(`echo first >${target}/file`);
      await s.evil.change(withoutCache(good));
      await waitForLog(t, s.node, /current graph is no longer active/, `cat ${target}/file`);
      t.is(await s.node.shell(`cat ${target}/file; echo second >${target}/file`), 'first\n');
      await s.evil.change(volfile);
      await waitForLog(t, s.node, says, ':');
      t.false(hasRun(s.node));
      t.is(await s.node.shell(`cat ${target}/file`), 'second\n');
      await s.node.shell(`umount ${target}`);
      while (daemonsOf(target).length > 0) await setTimeout(20);
    },
  );
}

test.serial('a glusterfs that the guard is not loaded into does not start', async (t) => {
  await using s = await setting();
  const target = await newTarget(s.node);
  // ld.so warns that it can't preload it, and goes on.
  const glusterfs = `${mounterHome}/rootfs/usr/sbin/glusterfs`;
  const script =
    '#!/bin/sh\nfirst=$1; shift\nLD_PRELOAD=/none exec /.mounter-glusterfs "--guarded=$first" "$@"\n';
  await s.node.shell(`rm ${glusterfs}`);
  await s.node.run(['tee', glusterfs], { input: script });
  await s.node.shell(`chmod +x ${glusterfs}`);
  const ran = await mount(s.node, s.source, target);
  t.not(ran.status, 0);
  t.regex(ran.stderr, /cannot be preloaded.*\n.*unrecognized option '--guarded=/);
  t.regex(ran.stderr, /\nhint: run mounter doctor/);
  nothingLeft(t, s.node, target);
  t.regex(await s.node.mustRun('prepare'), /guarded .*\/usr\/sbin\/glusterfs/);
  t.is(await s.node.mustRun('prepare'), 'prepared already; nothing to do\n');
  t.is((await mount(s.node, s.source, target)).status, 0);
});

test.serial('a rootfs of before there was a guard: not mounted from, until it is prepared', async (t) => {
  await using s = await setting();
  const target = await newTarget(s.node);
  const rootfs = `${mounterHome}/rootfs`;
  await s.node.shell(`ln -sf glusterfsd ${rootfs}/usr/sbin/glusterfs; rm ${rootfs}/.mounter-glusterfs`);
  const ran = await mount(s.node, s.source, target);
  t.is(ran.status, 2);
  t.regex(ran.stderr, /is not guarded from its servers\nhint: run mounter prepare\n$/);
  t.is((await s.node.run([installedMounter, 'status'])).status, 1);
  await s.node.mustRun('prepare');
  t.is((await s.node.run([installedMounter, 'status'])).status, 0);
  t.is((await mount(s.node, s.source, target)).status, 0);
  t.is(await s.node.shell(`readlink ${rootfs}/.mounter-glusterfs`), '/usr/sbin/glusterfsd\n');
});

test.serial('a glusterfs that is a file of its own is guarded as well', async (t) => {
  await using s = await setting();
  const rootfs = `${mounterHome}/rootfs`;
  await s.node.shell(
    `rm ${rootfs}/usr/sbin/glusterfs ${rootfs}/.mounter-glusterfs; mv ${rootfs}/usr/sbin/glusterfsd ${rootfs}/usr/sbin/glusterfs`,
  );
  await s.node.mustRun('prepare');
  const target = await newTarget(s.node);
  t.is((await mount(s.node, s.source, target, 'log-level=ERROR')).status, 0);
  t.is(daemonsOf(target).length, 1);
});
