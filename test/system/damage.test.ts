import { existsSync, readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { type GlusterServer, startGlusterServer } from '../support/gluster/gluster-server.ts';
import { everyNth, momentsOver, rounds } from '../support/long-run.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import type { Examination } from '../support/node/examination.ts';
import { examineIn } from '../support/node/examine.ts';
import { kubeletDirectory, mounter, mounterHome, rootfsTar, ScratchNode } from '../support/node/namespace.ts';
import {
  currentVersion,
  glusterfsVersion,
  installedVersions,
  offer,
  tarWithFile,
  unfinished,
} from '../support/node/rootfs-versions.ts';
import { testProgram } from '../support/programs/test-program.ts';

/** Rootfs in which something is missing or damaged: before they are installed, and afterwards. */

const libraries = 'usr/lib/x86_64-linux-gnu';
const glusterfs = `${libraries}/glusterfs/${glusterfsVersion}`;
const arm64 = Buffer.from([183, 0]);

type Damage = (content: Buffer) => Buffer | undefined;

const gone: Damage = () => undefined;
const half: Damage = (content) => content.subarray(0, content.length / 2);
const empty: Damage = () => Buffer.alloc(0);
const zeros: Damage = (content) => Buffer.alloc(content.length);
const ofArm64: Damage = (content) => Buffer.concat([content.subarray(0, 18), arm64, content.subarray(20)]);
const withFirstLine =
  (line: string): Damage =>
  (content) =>
    Buffer.from(content.toString('latin1').replace(/^.*/, line), 'latin1');

/** Each with what the refusal names. */
const damagedRootfs: readonly (readonly [file: string, damage: Damage, says: RegExp])[] = [
  [`${libraries}/libglusterfs.so.0.0.1`, gone, /\/glusterfsd \(libglusterfs\.so\.0: cannot open/],
  [`${libraries}/libtirpc.so.3.0.0`, half, /libtirpc\.so\.3\.0\.0 \(is cut short\)/],
  [`${libraries}/libcrypto.so.3`, gone, /glusterfsd \(libcrypto\.so\.3: cannot open shared object file\)/],
  [`${libraries}/libgcc_s.so.1`, gone, /lacks libgcc_s\.so\.1/],
  [`${libraries}/libc.so.6`, zeros, /mount\.nfs \(.*invalid ELF header.* and \d+ more/],
  [`${libraries}/ld-linux-x86-64.so.2`, gone, /its interpreter \/lib64\/ld-linux-x86-64\.so\.2 is missing/],
  [`${glusterfs}/xlator/protocol/client.so`, gone, /lacks xlator\/protocol\/client\.so/],
  [`${glusterfs}/xlator/cluster/afr.so`, half, /afr\.so \(is cut short\)/],
  [`${glusterfs}/xlator/debug/io-stats.so`, ofArm64, /io-stats\.so \(is of another architecture\)/],
  [`${glusterfs}/rpc-transport/socket.so`, empty, /socket\.so \(is empty\)/],
  ['usr/bin/dash', gone, /its interpreter \/bin\/sh is missing/],
  ['usr/bin/getfattr', half, /getfattr \(is cut short\)/],
  ['usr/sbin/mount.glusterfs', half, /mount\.glusterfs \(.*(Syntax error|says nothing)/],
  ['usr/sbin/mount.glusterfs', withFirstLine('#!/bin/bash'), /its interpreter \/bin\/bash is missing/],
  ['usr/sbin/start-statd', half, /start-statd \(.*Syntax error/],
  ['usr/sbin/rpcbind', ofArm64, /rpcbind \(is of another architecture\)/],
  ['usr/sbin/rpc.statd', gone, /lacks \/sbin\/rpc\.statd/],
  ['etc/nsswitch.conf', gone, /lacks \/etc\/nsswitch\.conf/],
  // It would say of every trial that it is a success.
  ['usr/bin/dash', () => Buffer.from('#!/usr/bin/true\n'), /mount\.glusterfs \(it says nothing\)/],
];

const refused = everyNth(5, damagedRootfs);
test.serial(`none of ${refused.length} damaged rootfs is switched to`, async (t) => {
  await using node = await ScratchNode.installed();
  const before = currentVersion(node);
  for (const [file, damage, says] of refused) {
    const { status, stderr } = await node.mounter('install', offer(node, await tarWithFile(file, damage)));
    t.is(status, 2, file);
    t.regex(stderr, says, file);
    t.regex(stderr, /^((checking|unpacked) .*\n)*mounter: .*\nhint: .*\n$/, file);
  }
  t.is(currentVersion(node), before);
  t.is(installedVersions(node).length, 1);
  t.deepEqual(unfinished(node), []);
  t.deepEqual(node.processes(), []);
});

test.serial(
  'a shell of a rootfs that leaves its group and does not end: refused, and it is gone',
  async (t) => {
    await using node = await ScratchNode.installed();
    const shell = readFileSync(await testProgram('shell-that-stays'));
    const { status, stderr } = await node.mounter(
      'install',
      offer(node, await tarWithFile('usr/bin/dash', () => shell)),
    );
    t.is(status, 2);
    t.regex(stderr, /no end after 20 s/);
    t.deepEqual(node.processes(), []);
  },
);

/** What runs keeps the file that it has mapped: who damages that one damages the daemon. */
const own = 'own() { cp -p $1 $1.x; mv $1.x $1; }';

/** What happens to an installed version, in its directory. */
const damages: Readonly<Record<string, string>> = {
  'a library missing': `rm ${libraries}/libglusterfs.so.0.0.1`,
  'a library cut short': `own ${libraries}/libtirpc.so.3.0.0; truncate -s 30000 ${libraries}/libtirpc.so.3.0.0`,
  'a library with other bytes': `own ${libraries}/libcrypto.so.3; printf xx | dd of=${libraries}/libcrypto.so.3 bs=1 seek=200000 conv=notrunc status=none`,
  'a file of zeros, as after a power cut': `s=$(stat -c %s ${libraries}/libc.so.6); rm ${libraries}/libc.so.6; truncate -s $s ${libraries}/libc.so.6`,
  'ld.so missing': `rm ${libraries}/ld-linux-x86-64.so.2`,
  'a symlink that leads elsewhere': `ln -sfn /none ${libraries}/libtirpc.so.3`,
  'a symlink of the top missing': 'rm lib64',
  'a translator missing': `rm ${glusterfs}/xlator/features/utime.so`,
  'all translators missing': `rm -r ${glusterfs}/xlator`,
  'a directory in the place of a program': 'rm usr/sbin/rpcbind; mkdir -p usr/sbin/rpcbind/more',
  'a program in the place of a directory': `rm -r ${glusterfs}/rpc-transport; cp usr/bin/cat ${glusterfs}/rpc-transport`,
  'a program that is not executable': 'chmod 644 usr/sbin/mount.nfs',
  'a directory that daemons cannot enter': 'chmod 700 usr/lib',
  'the interpreter missing': 'rm usr/bin/dash',
  'a script cut short': 'own usr/sbin/mount.glusterfs; truncate -s 3000 usr/sbin/mount.glusterfs',
  'a program of another architecture': `printf '\\267' | dd of=usr/sbin/rpc.statd bs=1 seek=18 conv=notrunc status=none`,
  'the guard of glusterfs missing': 'rm usr/sbin/glusterfs',
  'what the guard starts missing': 'rm .mounter-glusterfs usr/sbin/glusterfsd',
  'a file of etc changed': 'echo "hosts: files" >etc/nsswitch.conf',
  'mount points missing': 'rmdir proc sys tmp 2>/dev/null || true; rm -r usr/share',
  'its own record damaged': 'echo "{" >.mounter-tree.json; rm usr/bin/sed',
};

async function examined(node: ScratchNode): Promise<Examination['findings']> {
  const { findings } = await examineIn(node);
  return findings.filter(({ check, level }) => level !== 'ok' && /^(rootfs|helpers)$/.test(check));
}

/** A node with a volume of a real server. */
async function mounted(node: ScratchNode, server: GlusterServer, name: string): Promise<string> {
  const target = `${kubeletDirectory}/pods/${name}`;
  await node.shell(
    `mkdir -p ${target}; ${mounterHome}/mounter mount -t glusterfs -o log-level=ERROR ${server.address}:v1 ${target}`,
  );
  return target;
}

async function isAlive(t: ExecutionContext, node: ScratchNode, volume: string, text: string): Promise<void> {
  await node.shell(`echo '${text}' >${volume}/file`);
  t.is(await node.shell(`cat ${volume}/file`), `${text}\n`);
}

for (const enter of enterModes) {
  // Both ways end in the same directory; what stands in it besides is another.
  const chosen = everyNth(enter === 'attach' ? 5 : 12, Object.entries(damages));
  test.serial(
    `${enter}: each of ${chosen.length} damages is mended as doctor says, volumes stay`,
    async (t) => {
      await using server = await startGlusterServer({ volumes: ['v1'] });
      await using node = await ScratchNode.prepared({ enterNetwork: server.enter, enter });
      const volume = await mounted(node, server, 'kept');
      const [daemon] = node.processesOf('glusterfs');
      t.deepEqual(await examined(node), []);
      for (const [what, script] of chosen) {
        await node.shell(`${own}; cd ${mounterHome}/${currentVersion(node)}; ${script}`);
        const [finding] = await examined(node);
        const [, ...hint] =
          /^run mounter (install) (\S+), which mends it; volumes stay mounted$/.exec(finding?.hint ?? '') ??
          [];
        t.deepEqual(hint, ['install', rootfsTar], `${what}: ${finding?.message}`);
        const mended = await node.run([mounter, ...hint]);
        t.is(mended.status, 0, `${what}: ${mended.stderr}`);
        t.regex(mended.stdout, /^mended |\nmended /, what);
        await isAlive(t, node, volume, what);
      }
      t.deepEqual(await examined(node), []);
      t.is(await node.mustRun('prepare'), 'prepared already; nothing to do\n');
      t.is(node.processesOf('glusterfs')[0]?.pid, daemon?.pid, 'the same daemon');
      await isAlive(t, node, await mounted(node, server, 'new'), 'by the mended version');
      t.deepEqual(unfinished(node), []);
      await node.shell(`umount ${kubeletDirectory}/pods/new ${volume}`);
    },
  );
}

test.serial('killed while it mends: the next install goes on', async (t) => {
  await using node = await ScratchNode.installed();
  const root = `${mounterHome}/${currentVersion(node)}`;
  for (const seconds of momentsOver(rounds(3, 8), 0.3, 0.7)) {
    await node.shell(`rm -r ${root}/usr/lib ${root}/usr/sbin; chmod 700 ${root}/usr/bin`);
    await node.run(['timeout', '--foreground', '-s', 'KILL', seconds, mounter, 'install', rootfsTar]);
    const { status, stderr } = await node.run([mounter, 'install', rootfsTar]);
    t.is(status, 0, `killed after ${seconds} s: ${stderr}`);
    t.is((await node.run(['chroot', root, '/sbin/mount.glusterfs', '-V'])).status, 0);
    t.deepEqual(unfinished(node), [], seconds);
  }
  t.regex((await node.run([mounter, 'install', rootfsTar])).stdout, /^installed already/);
});

test.serial('a directory that was moved, with a link to it in its place, is whole again', async (t) => {
  await using node = await ScratchNode.installed();
  const root = `${mounterHome}/${currentVersion(node)}`;
  await node.shell(`cd ${root}/usr && mv sbin sbin.moved && ln -s sbin.moved sbin`);
  t.regex((await node.run([mounter, 'install', rootfsTar])).stdout, /^mended .*\/usr\/sbin/m);
  t.is((await node.run(['chroot', root, '/sbin/mount.glusterfs', '-V'])).status, 0);
  t.deepEqual(await examined(node), []);
});

test.serial(
  'no room for a second copy: the damaged version stays as it is, and is mended with room',
  async (t) => {
    await using node = await ScratchNode.start({ home: 'size=230m' });
    await node.mustRun('install', rootfsTar);
    const damaged = `${mounterHome}/rootfs/${libraries}/libtirpc.so.3.0.0`;
    await node.shell(
      `rm $(realpath ${mounterHome}/rootfs)/${libraries}/libtirpc.so.3.0.0; head -c 70m /dev/zero >/home/ballast`,
    );
    const { status, stderr } = await node.mounter('install', rootfsTar);
    t.is(status, 2);
    t.regex(stderr, /ENOSPC.*\nhint: the disk is full: make room/);
    t.deepEqual(unfinished(node), []);
    await node.shell('rm /home/ballast');
    t.regex(await node.mustRun('install', rootfsTar), /^mended .*libtirpc\.so\.3\.0\.0\n/);
    t.true(existsSync(node.path(damaged)) && readFileSync(node.path(damaged)).length > 0);
  },
);
