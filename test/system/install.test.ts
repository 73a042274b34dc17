import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { everyNth, momentsOver, rounds } from '../support/long-run.ts';
import { mounter, mounterHome, rootfsTar, ScratchNode, shared } from '../support/node/namespace.ts';
import {
  changedTar,
  currentVersion,
  digestOf,
  manifestText,
  offer,
  rootfsBytes,
  rootfsWith,
  unfinished,
} from '../support/node/rootfs-versions.ts';

const tar = rootfsBytes;
const firstDigest = digestOf(tar);
const secondTar = await rootfsWith('second-version');
const secondDigest = digestOf(secondTar);

/** Every path below MOUNTER_HOME with its inode and time of change. */
function inventory(node: ScratchNode): readonly string[] {
  const home = node.path(mounterHome);
  if (!existsSync(home)) return [];
  // find(1) follows no symlink: var/run of a rootfs leads to /run of this machine.
  const list = execFileSync('find', [home, '-mindepth', '1', '-printf', '%P %i %C@\\n'], {
    encoding: 'utf8',
  });
  // Something was in `versions` for a while.
  return list
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('versions '))
    .sort();
}

/** Nothing came, went or changed. */
function isAsBefore(t: ExecutionContext, node: ScratchNode, before: readonly string[]): void {
  const now = inventory(node);
  t.deepEqual(
    [...before.filter((line) => !now.includes(line)), ...now.filter((line) => !before.includes(line))],
    [],
  );
}

/** The rootfs in use is one of the two, and whole. */
async function isWhole(t: ExecutionContext, node: ScratchNode, hint: string): Promise<void> {
  const version = currentVersion(node).replace('versions/', 'sha256:');
  t.true([firstDigest, secondDigest].includes(version), hint);
  const hasSecond = existsSync(node.path(`${mounterHome}/${currentVersion(node)}/second-version`));
  t.is(hasSecond, version === secondDigest, hint);
  t.is((await node.run(['chroot', `${mounterHome}/rootfs`, '/sbin/mount.nfs', '-V'])).status, 0, hint);
}

test.serial('installing twice changes nothing', async (t) => {
  await using node = await ScratchNode.installed();
  t.is(currentVersion(node), `versions/${firstDigest.slice(7)}`);
  t.is(node.read(`${mounterHome}/rootfs-manifest.json`), manifestText);
  const before = inventory(node);
  t.regex(await node.mustRun('install', rootfsTar), /^installed already: /);
  const again = await node.run([`${mounterHome}/mounter`, 'install', rootfsTar]);
  t.regex(again.stdout, /^installed already: /, 'by the executable that was installed');
  isAsBefore(t, node, before);
  t.deepEqual(node.processes(), []);
});

test.serial('plain, gzip and zstd tars give the same; the paths may be relative', async (t) => {
  await using node = await ScratchNode.start();
  offer(node, tar);
  await node.shell(
    `cd ${shared}; gzip -k rootfs.tar; ${mounter} install rootfs.tar.gz --home elsewhere/..//one/`,
  );
  await node.shell(`cd ${shared}; ${mounter} install rootfs.tar --home ./two`);
  for (const home of ['one', 'two']) {
    const root = join(node.sharedDirectory, home);
    t.is(readlinkSync(join(root, 'rootfs')), `versions/${firstDigest.slice(7)}`);
    t.true(statSync(join(root, 'rootfs/usr/sbin/mount.nfs')).isFile());
  }
});

/** What must fail; the node has the first version and keeps it. */
const refused: Record<string, { file: (node: ScratchNode) => string; status: number; says: RegExp }> = {
  'a wrong digest': {
    file: (node) =>
      `${offer(node, secondTar)} --digest ${firstDigest.replace(/.$/, (c) => (c === '0' ? '1' : '0'))}`,
    status: 2,
    says: /the digest of its contents is sha256:[0-9a-f]{64}, not sha256:/,
  },
  'a digest that is none': {
    file: (node) => `${offer(node, secondTar)} --digest sha256:12`,
    status: 1,
    says: /sha256:12: the digest is not sha256: and 64 hexadecimal digits/,
  },
  'a truncated zstd file': {
    file: (node) => {
      offer(node, secondTar);
      writeFileSync(
        join(node.sharedDirectory, 'half.tar.zst'),
        zstdCompressSync(secondTar).subarray(0, 5_000_000),
      );
      return `${shared}/half.tar.zst`;
    },
    status: 2,
    says: /half.tar.zst: is not a tar, or is damaged: /,
  },
  'a truncated tar': {
    file: (node) => {
      offer(node, secondTar);
      writeFileSync(join(node.sharedDirectory, 'half.tar'), secondTar.subarray(0, 20_000_001));
      return `${shared}/half.tar`;
    },
    status: 2,
    says: /half.tar: is not a tar, or is damaged: /,
  },
  'a tar that ends between two entries': {
    file: (node) => {
      offer(node, secondTar);
      writeFileSync(join(node.sharedDirectory, 'less.tar'), secondTar.subarray(0, 1024));
      return `${shared}/less.tar`;
    },
    status: 2,
    says: /less.tar: is a tar without a single file\nhint: /,
  },
  'an empty file': {
    file: (node) => {
      offer(node, secondTar);
      writeFileSync(join(node.sharedDirectory, 'empty'), '');
      return `${shared}/empty`;
    },
    status: 2,
    says: /empty: is a tar without a single file\nhint: /,
  },
  garbage: {
    file: (node) => {
      offer(node, secondTar);
      writeFileSync(join(node.sharedDirectory, 'garbage'), Buffer.alloc(100_000, 'garbage!'));
      return `${shared}/garbage`;
    },
    status: 2,
    says: /garbage: is not a tar, or is damaged: /,
  },
  'garbage that begins like zstd': {
    file: (node) => {
      offer(node, secondTar);
      const bytes = Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(100_000, 'garbage!')]);
      writeFileSync(join(node.sharedDirectory, 'garbage.zst'), bytes);
      return `${shared}/garbage.zst`;
    },
    status: 2,
    says: /garbage.zst: is not a tar, or is damaged: /,
  },
  'no file': { file: () => `${shared}/none.tar`, status: 1, says: /none.tar: there is no such file\nhint: / },
  'a directory': { file: () => shared, status: 2, says: /shared: .*\nhint: / },
  'no manifest': {
    file: (node) => {
      writeFileSync(join(node.sharedDirectory, 'alone.tar'), tar);
      return `${shared}/alone.tar`;
    },
    status: 1,
    says: /shared\/rootfs-manifest.json: there is no manifest for the rootfs\nhint: .*--manifest/,
  },
  'a manifest with a wrong field': {
    file: (node) =>
      offer(node, secondTar, 'r.tar', {
        limits: { mountSeconds: -1, daemonSeconds: 1, terminateSeconds: 1 },
      }),
    status: 2,
    says: /rootfs-manifest.json: limits.mountSeconds: must be at least 0.1 s\nhint: /,
  },
  'a manifest that is no JSON': {
    file: (node) => {
      const file = offer(node, secondTar);
      writeFileSync(join(node.sharedDirectory, 'rootfs-manifest.json'), '{"formatVersion": 1,');
      return file;
    },
    status: 2,
    says: /rootfs-manifest.json: not valid JSON: /,
  },
};
for (const [what, { file, status, says }] of everyNth(2, Object.entries(refused))) {
  test.serial(`refused, and what was installed stays: ${what}`, async (t) => {
    await using node = await ScratchNode.installed();
    const before = inventory(node);
    const result = await node.run(['sh', '-c', `${mounter} install ${file(node)}`]);
    t.is(result.status, status, result.stderr);
    t.regex(result.stderr, /^mounter: /);
    t.regex(result.stderr, says);
    isAsBefore(t, node, before);
    t.deepEqual(node.processes(), []);
  });
}

test.serial('a rootfs without a promised helper is refused, and named', async (t) => {
  await using node = await ScratchNode.start();
  const less = await changedTar(/usr\/sbin\/(mount\.nfs|rpcbind)$/, () => {});
  const { status, stderr } = await node.mounter('install', offer(node, less));
  t.is(status, 2);
  t.regex(
    stderr,
    /the rootfs lacks \/sbin\/mount.nfs, \/sbin\/mount.nfs4, \/sbin\/rpcbind, which the settings need\nhint: /,
  );
  t.deepEqual(readdirSync(node.path('/home')), [], 'a first install that came to nothing leaves nothing');
});

test.serial("a rootfs whose etc leads to the host's is refused", async (t) => {
  await using node = await ScratchNode.start();
  const evil = await changedTar(/^(\.\/)?etc(\/|$)/, (archive) =>
    archive.entry({ name: 'etc', type: 'symlink', linkname: '/etc' }),
  );
  const { status, stderr } = await node.mounter('install', offer(node, evil));
  t.is(status, 2);
  t.regex(stderr, /no directory \/etc of its own/);
  t.is(node.read('/etc/resolv.conf'), 'nameserver 192.0.2.53\n');
});

test.serial('a full disk: what was installed stays, and nothing is left behind', async (t) => {
  await using node = await ScratchNode.start({ home: 'size=230m' });
  await node.mustRun('install', rootfsTar);
  await node.shell('head -c 70m /dev/zero >/home/ballast');
  const before = inventory(node);
  const file = offer(node, secondTar);
  const { status, stderr } = await node.mounter('install', file);
  t.is(status, 2);
  t.regex(stderr, /ENOSPC.*\nhint: the disk is full: make room/);
  isAsBefore(t, node, before);
  await node.shell('rm /home/ballast');
  await node.mustRun('install', file);
  t.is(currentVersion(node), `versions/${secondDigest.slice(7)}`);
});

test.serial('a disk with no room for the executable: nothing of it is left', async (t) => {
  await using node = await ScratchNode.start({ home: 'size=100m' });
  const { status, stderr } = await node.mounter('install', rootfsTar);
  t.is(status, 2);
  t.regex(stderr, /ENOSPC.*\nhint: the disk is full/);
  t.false(existsSync(node.path(`${mounterHome}/rootfs`)));
  t.deepEqual(unfinished(node), []);
});

test.serial('a read-only home is named', async (t) => {
  await using node = await ScratchNode.start({ home: 'ro' });
  const { status, stderr } = await node.mounter('install', rootfsTar);
  t.is(status, 2);
  t.regex(stderr, /^mounter: \/home\/kubernetes.*: EROFS: .*\nhint: the filesystem is read-only/);
});

test.serial(
  'killed at any moment: there is always a whole rootfs, and the next install finishes',
  async (t) => {
    await using node = await ScratchNode.start();
    offer(node, secondTar, 'second.tar');
    const second = ['install', `${shared}/second.tar`];
    await node.mustRun('install', rootfsTar);
    const isFirst = (moment: number) => moment % 2 === 0;
    for (const [moment, seconds] of momentsOver(rounds(5, 16), 0.01, 0.51).entries()) {
      const argv = isFirst(moment) ? second : ['install', rootfsTar];
      // A version that is there is not unpacked again.
      const other = isFirst(moment) ? secondDigest : firstDigest;
      await node.shell(`rm -rf ${mounterHome}/versions/${other.slice(7)}`);
      await node.run(['timeout', '--foreground', '-s', 'KILL', seconds, mounter, ...argv]);
      await isWhole(t, node, `killed after ${seconds} s`);
      const { stderr } = await node.mounter(...argv);
      t.notRegex(stderr, /^mounter: /m, `killed after ${seconds} s`);
      t.is(currentVersion(node), `versions/${other.slice(7)}`);
      t.deepEqual(unfinished(node), [], `killed after ${seconds} s`);
      await isWhole(t, node, `killed after ${seconds} s, and mended`);
    }
    await node.shell(`mkdir ${mounterHome}/versions/.unfinished-1; touch ${mounterHome}/rootfs.new`);
    await node.mustRun(...second);
    await node.mustRun('install', rootfsTar);
    t.deepEqual(unfinished(node), [], 'also where nothing is to be unpacked');
  },
);

test.serial('a second version on a prepared node is prepared before the switch', async (t) => {
  await using node = await ScratchNode.prepared();
  await node.shell(
    `echo 'nameserver 10.96.0.10' >${mounterHome}/rootfs/etc/resolv.conf; chmod 600 ${mounterHome}/rootfs/etc/resolv.conf`,
  );
  const kept = await node.mountVolume('kept');
  const said = (await node.mustRun('install', offer(node, secondTar))).split('\n');
  const lastMount = said.findLastIndex((line) => /^(mount|made mount namespaces) /.test(line));
  t.true(lastMount > 0 && lastMount < said.findIndex((line) => line.startsWith('switched ')));
  t.is(currentVersion(node), `versions/${secondDigest.slice(7)}`);
  t.is((await node.mounter('status')).status, 0);
  t.is(await node.mustRun('prepare'), 'prepared already; nothing to do\n');
  t.is(node.read(`${mounterHome}/rootfs/etc/resolv.conf`), 'nameserver 10.96.0.10\n');
  t.is(
    statSync(node.path(`${mounterHome}/rootfs/etc/resolv.conf`)).mode & 0o777,
    0o644,
    'rpc.statd reads it too',
  );
  t.is(await node.mustRun('exec', '--', 'cat', '/second-version'), 'here');
  t.is((await node.run(['mountpoint', '-q', kept])).status, 0);
  await node.shell(`umount ${kept}; rmdir ${kept}`);
  t.is(node.entriesOf(kept).length, 0);
  await node.mustRun('teardown');
  t.deepEqual(
    node.mountinfo().filter(({ mountPoint }) => mountPoint.startsWith(mounterHome)),
    [],
  );
});

test.serial('a second version whose manifest mounts more is prepared as well', async (t) => {
  await using node = await ScratchNode.prepared();
  const parsed = JSON.parse(manifestText);
  const more = {
    host: '/var/log',
    rootfs: '/var/log/host',
    type: 'bind',
    access: 'ro',
    propagation: 'private',
  };
  const mounts = { mounter: [...parsed.mounts.mounter, more] };
  await node.mustRun('install', offer(node, secondTar, 'second.tar', { mounts }));
  t.is(await node.mustRun('prepare'), 'prepared already; nothing to do\n');
});

test.serial('two installs at once, of one version and of two', async (t) => {
  await using node = await ScratchNode.start();
  const file = offer(node, secondTar, 'second.tar');
  const said = await Promise.all([node.mustRun('install', rootfsTar), node.mustRun('install', rootfsTar)]);
  t.is(said.filter((text) => text.startsWith('installed already')).length, 1);
  const before = inventory(node);
  await Promise.all([node.mustRun('install', file), node.mustRun('install', rootfsTar)]);
  await isWhole(t, node, 'after both');
  t.deepEqual(unfinished(node), []);
  t.true(inventory(node).length > before.length);
});

test.serial('a rootfs symlink that leads nowhere is mended', async (t) => {
  await using node = await ScratchNode.installed();
  await node.shell(`rm -rf ${mounterHome}/${currentVersion(node)}`);
  t.is((await node.mounter('status')).status, 1);
  await node.mustRun('install', offer(node, secondTar));
  await isWhole(t, node, 'after');
});

test.serial("another mounter's rootfs is left as it is, its executable too", async (t) => {
  await using node = await ScratchNode.start();
  await node.shell(`mkdir -p ${mounterHome}/rootfs/etc; echo theirs >${mounterHome}/mounter`);
  const before = inventory(node);
  const { status, stderr } = await node.mounter('install', rootfsTar);
  t.is(status, 2);
  t.regex(stderr, /rootfs: is not a symlink: another mounter is installed here\nhint: /);
  isAsBefore(t, node, before);
});

test.serial('a mounter that runs keeps its file while another comes in its place', async (t) => {
  await using node = await ScratchNode.prepared();
  const running = node.run([`${mounterHome}/mounter`, 'exec', '--', 'sleep', '1000']);
  await node.shell(
    `until pidof sleep >/dev/null; do :; done; truncate -s +1 ${mounterHome}/mounter 2>&1 || :`,
  );
  await node.shell(`cp ${mounter} /home/other; echo >>/home/other; mv /home/other ${mounterHome}/mounter`);
  t.regex(await node.mustRun('install', rootfsTar), /placed /);
  t.is((await node.run([`${mounterHome}/mounter`, '--version'])).status, 0);
  await node.shell('kill $(pidof sleep)');
  t.is((await running).status, 143);
});
