import { readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { fetchBun } from '../../scripts/bun.ts';
import { emulatorOf } from '../../scripts/emulator.ts';
import { refuseCalls } from '../../scripts/front.ts';
import { cacheDirectory, distributionOf, mounterExecutable } from '../../scripts/paths.ts';
import { elfArchitecture } from '../../src/host/elf.ts';
import { librariesOf, programsOf } from '../../src/rootfs/parts.ts';
import { mostBytesOfFront } from '../support/front-size.ts';
import { installedMounter, kubeletDirectory, mounterHome, ScratchNode } from '../support/node/namespace.ts';

/** What is built for arm64 on another machine, by QEMU's user mode emulation; a whole node boots in test/arm64. */

const arm64 = distributionOf('arm64');
const emulator = await emulatorOf('arm64');
/** The C library of Debian's cross compiler. */
const libc = ['-L', '/usr/aarch64-linux-gnu'];

test.serial(
  'all that is built for arm64 is for arm64, and the front is as small as the other one',
  async (t) => {
    const found = [arm64.mounter, arm64.front, arm64.guard].map((file) => elfArchitecture(file));
    t.deepEqual(found, ['arm64', 'arm64', 'arm64']);
    t.true(statSync(arm64.front).size < mostBytesOfFront);
  },
);

const target = `${kubeletDirectory}/pods/u/volumes/v`;

/** Of the front alone: what it leaves to the full executable has nobody here to run it. */
const calls: readonly (readonly string[])[] = [
  ['mount', '--dry-run', '-t', 'nfs', '-o', 'nfsvers=3', 'files:/export', target],
  ['mount', '--dry-run', '-t', 'nfs', '-o', 'nfsvers=4.1,ro', '[fd00::5]:/export', target],
  ['mount', '--dry-run', '-t', 'glusterfs', '-o', 'log-level=ERROR', 'files:volume', target],
  ['mount', '-t', 'nfs'],
  ['mount', '-t', 'nfs', '-o', 'vers=17', 'files:/export', target],
  ['mount', '-t', 'nfs', 'files:/export', '/elsewhere/not/there'],
];

test.serial('its front says of a call what the other one says', async (t) => {
  await using node = await ScratchNode.prepared();
  await node.shell(`mkdir -p ${target}`);
  const environment = ['env', `MOUNTER_HOME=${mounterHome}`];
  for (const argv of calls) {
    const own = await node.run([...environment, installedMounter, ...argv]);
    const emulated = await node.run([...environment, emulator, arm64.front, ...argv]);
    t.deepEqual(emulated, own, argv.join(' '));
    t.not(own.stdout + own.stderr, '');
  }
});

test.serial('its full executable says what the other one says', async (t) => {
  const home = await mkdtemp(join(cacheDirectory, 'arm64-home-'));
  try {
    const env = { MOUNTER_HOME: home };
    for (const argv of [
      ['version'],
      ['help', 'install'],
      ['status', '--json'],
      ['prune', '--no-such-flag'],
    ]) {
      const own = await execa(mounterExecutable, argv, { env, reject: false });
      const emulated = await execa(emulator, [...libc, arm64.mounter, ...argv], { env, reject: false });
      t.is(emulated.stdout, own.stdout);
      t.is(emulated.stderr, own.stderr);
      t.is(emulated.exitCode, own.exitCode);
    }
  } finally {
    await rm(home, { recursive: true });
  }
});

test.serial('its guard starts, and wants something to guard', async (t) => {
  const { exitCode, stderr } = await execa(emulator, [arm64.guard], { reject: false });
  t.deepEqual([exitCode, stderr], [64, 'glusterfs: nothing to do without arguments']);
});

test.serial('a module that asks the kernel when the front is built for arm64 is found', (t) => {
  const strict = '7 brk(NULL) = 0x30002000\n7 prctl(22,1,0,0,4,5) = -1 errno=22 (Invalid argument)\n';
  const end = '7 write(1,0x10000000,786432) = 786432\n7 exit(0)\n';
  t.notThrows(() => refuseCalls(strict + end));
  const asks = [
    '7 openat(AT_FDCWD,"/etc/hosts",O_RDONLY) = 3',
    '7 clock_gettime(1,0x5500) = 0',
    '7 Unknown syscall 293',
  ];
  for (const line of asks)
    t.throws(() => refuseCalls(`${strict}${line}\n${end}`), { message: /asks the kernel/ }, line);
  t.throws(() => refuseCalls(end), undefined, 'nobody has looked');
});

test.serial('a package for it that is not the one of package-lock.json is not used', async (t) => {
  const locked = { version: '1.2.5', integrity: 'sha512-AAAA' };
  const { message } = (await t.throwsAsync(fetchBun('@types/minimist', locked))) ?? {};
  t.regex(message ?? '', /^is not the package of package-lock\.json: its integrity is sha512-\S+$/);
});

test.serial(
  "every program and library of its rootfs finds all that it needs, by that rootfs's own ld.so",
  async (t) => {
    const root = await mkdtemp(join(cacheDirectory, 'arm64-rootfs-'));
    try {
      await execa('tar', ['--zstd', '-xf', `${arm64.directory}/rootfs.tar.zst`, '-C', root]);
      const isElf = (path: string) => elfArchitecture(root + path) !== undefined;
      const files = [
        ...programsOf(root),
        ...librariesOf(root).filter((path) => statSync(root + path).isFile()),
      ];
      const elves = files.filter((path) => isElf(path) && !/\/(ld-linux-|ldconfig$)/.test(path));
      t.true(elves.length > 100);
      const list = `${emulator} -L "$0" "$0/lib/ld-linux-aarch64.so.1" --list`;
      const each = `for path; do ${list} "$0$path" >/dev/null || echo "$path"; done; exit 0`;
      const { stdout: failed, stderr } = await execa('sh', ['-c', each, root, ...elves]);
      t.is(failed + stderr, '');
      const { stdout } = await execa(emulator, ['-L', root, `${root}/usr/sbin/mount.nfs`, '-V']);
      t.regex(stdout, /linux nfs-utils \d/);
      t.is(
        JSON.parse(readFileSync(`${arm64.directory}/rootfs-manifest.json`, 'utf8')).rootfs.architecture,
        'arm64',
      );
    } finally {
      await rm(root, { recursive: true });
    }
  },
);

test.serial(
  'a rootfs of the other architecture is refused in one sentence, and nothing is left of it',
  async (t) => {
    await using node = await ScratchNode.start();
    const { status, stderr } = await node.mounter('install', `${arm64.directory}/rootfs.tar.zst`);
    t.is(status, 2);
    t.is(
      // A slow machine tells of its progress.
      stderr.replaceAll(/^unpacked .*\n/gm, ''),
      `mounter: ${arm64.directory}/rootfs.tar.zst: the rootfs is for arm64, and this machine is amd64\n` +
        'hint: install the rootfs that was built for amd64, or an image of both architectures\n',
    );
    t.false((await node.shell(`ls -A ${mounterHome}/versions 2>/dev/null || true`)).includes('sha256'));
  },
);
