import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import test from 'ava';
import { execa } from 'execa';
import { ensureInstalled } from '../../scripts/debian.ts';
import { digestOf } from '../../scripts/rootfs/archive.ts';
import { parseManifest } from '../../src/manifest/manifest.ts';
import { isLongRun } from '../support/long-run.ts';

const repository = resolve(import.meta.dirname, '../..');
const dist = join(repository, 'dist');
let scratch = '';
let rootfs = '';

function buildRootfs(...flags: readonly string[]) {
  const script = join(repository, 'scripts/rootfs.ts');
  return execa(process.execPath, [script, '--allow-newer', ...flags], { timeout: 600_000 });
}

test.before('build and unpack', async (t) => {
  t.timeout(600_000);
  await ensureInstalled(['iproute2']);
  await buildRootfs();
  scratch = await mkdtemp(join(tmpdir(), 'rootfs-test-'));
  rootfs = join(scratch, 'rootfs');
  await execa('mkdir', [rootfs]);
  const input = zstdDecompressSync(await readFile(join(dist, 'rootfs.tar.zst')));
  // GNU tar, so that ours is read by another's hand.
  await execa('tar', ['-xp', '--numeric-owner', '-C', rootfs], { input });
});

test.after.always('remove', async () => {
  if (scratch !== '') await rm(scratch, { recursive: true, force: true });
});

async function readBuilt() {
  const path = join(dist, 'rootfs-manifest.json');
  const contents = JSON.parse(await readFile(join(dist, 'rootfs-contents.json'), 'utf8'));
  return { manifest: parseManifest(await readFile(path, 'utf8'), path), contents };
}

/** All that is started in them ends with them, and no mount gets out. */
const namespaces = ['--mount', '--net', '--pid', '--fork', '--kill-child'];
const limits = { all: true, reject: false, timeout: 120_000, stdin: 'ignore' } as const;

function inRootfs(...argv: readonly string[]) {
  return execa('unshare', [...namespaces, 'chroot', rootfs, ...argv], limits);
}

test.serial('it has at most 50 MB unpacked', async (t) => {
  const { stdout } = await execa('du', ['-s', '--apparent-size', '--block-size=1', rootfs]);
  t.true(Number.parseInt(stdout, 10) <= 50e6, stdout);
  const { contents } = await readBuilt();
  t.true(contents.unpackedBytes <= 50e6);
});

test.serial('the digest in the manifest is that of the uncompressed tar', async (t) => {
  const { manifest } = await readBuilt();
  const tar = zstdDecompressSync(await readFile(join(dist, 'rootfs.tar.zst')));
  t.is(manifest.rootfs.digest, digestOf(tar));
});

test.serial(
  'every helper and daemon of the manifest is there as contents.json says, and executable',
  async (t) => {
    const { manifest, contents } = await readBuilt();
    const helpers = Object.values(manifest.filesystems).map((filesystem) => filesystem.helper);
    const programs = [...Object.values(contents.helpers), ...Object.values(contents.daemons)];
    const paths = programs.map((program) => (program as { path: string }).path);
    const daemons = ['rpcbind', 'rpc.statd', 'rpc.gssd', 'rpc.idmapd', 'tlshd'].map(
      (name) => `/sbin/${name}`,
    );
    t.deepEqual(paths, [...helpers, ...daemons, manifest.daemons.startStatd]);
    for (const program of programs as { resolved: string; sha256: string; size: number }[]) {
      const bytes = await readFile(join(rootfs, program.resolved));
      t.is(digestOf(bytes), `sha256:${program.sha256}`);
      t.is(bytes.length, program.size);
      t.is((await stat(join(rootfs, program.resolved))).mode & 0o7777, 0o755);
    }
  },
);

test.serial('contents.json is in the rootfs too', async (t) => {
  const inside = await readFile(join(rootfs, 'usr/share/containerized-mounter/contents.json'), 'utf8');
  t.is(inside, await readFile(join(dist, 'rootfs-contents.json'), 'utf8'));
});

test.serial('every package comes with its licence', async (t) => {
  const { contents } = await readBuilt();
  for (const { name } of contents.packages) {
    t.true((await stat(join(rootfs, 'usr/share/doc', name, 'copyright'))).size > 0, name);
  }
});

const versions: readonly (readonly [string, RegExp])[] = [
  ['mount.nfs -V', /linux nfs-utils/],
  ['mount.nfs4 -V', /linux nfs-utils/],
  ['mount.glusterfs -V', /^glusterfs \d/],
  ['glusterfs --version', /^glusterfs \d/],
  ['fusermount-glusterfs -V', /version: \d/],
  ['rpc.statd -v', /rpc.statd version/],
  ['rpc.idmapd -h', /^Usage: rpc.idmapd/],
  ['tlshd -v', /^tlshd, built from ktls-utils/],
  ['klist -V', /^Kerberos 5 version/],
  ['showmount --version', /^showmount/],
  ['mount --version', /util-linux/],
  ['umount --version', /util-linux/],
  ['findmnt --version', /util-linux/],
  ['flock --version', /util-linux/],
  ['mountpoint --version', /util-linux/],
  ['getfattr --version', /^getfattr/],
  ['timeout --version', /coreutils/],
  ['getent rpc nlockmgr', /100021/],
  ['getent services nfs', /2049\/tcp/],
  ['getent passwd statd _rpc nobody', /statd.*\n_rpc.*\nnobody/],
];
for (const [command, expected] of versions) {
  test.serial(`runs in a chroot: ${command}`, async (t) => {
    const { all, exitCode } = await inRootfs(...command.split(' '));
    t.regex(all, expected);
    t.is(exitCode, 0);
  });
}

test.serial('what the shell script of mount.glusterfs and start-statd call is there', async (t) => {
  const names =
    'awk cat cut echo flock getfattr grep kill mkdir rm sed sleep stat timeout tr umount uname wc';
  const { all } = await inRootfs(
    'sh',
    '-c',
    `for name in ${names}; do [ -n "$(command -v $name)" ] || echo $name; done`,
  );
  t.is(all, '');
});

test.serial('rpcbind and rpc.statd start, and statd answers a call', async (t) => {
  // /run, /proc and /dev/null as `mounter prepare` provides them; the rootfs has no ip(8) to bring lo up.
  const prepare = `cd ${rootfs} && ip link set lo up && mount -t proc proc proc && mount -t tmpfs tmpfs run &&
    mkdir run/rpcbind && mount -t tmpfs tmpfs dev && mknod -m 666 dev/null c 1 3`;
  const call = 'rpcbind -w && rpc.statd --no-notify && rpcinfo -u 127.0.0.1 status 1';
  const script = `${prepare} && chroot . sh -c '${call}'`;
  const result = await execa('unshare', [...namespaces, 'sh', '-c', script], limits);
  t.regex(result.all, /program 100024 version 1 ready and waiting/);
  t.is(result.exitCode, 0);
});

test.serial('there is no resolv.conf, and no set-user-ID file', async (t) => {
  await t.throwsAsync(stat(join(rootfs, 'etc/resolv.conf')), { code: 'ENOENT' });
  t.is((await execa('find', [rootfs, '-perm', '/6000'])).stdout, '');
});

test.serial('every program and library is more than a dangling link', async (t) => {
  const script = 'for f in /bin/* /sbin/* /lib64/* /lib/*/*; do [ -e $f ] || echo $f; done';
  t.is((await inRootfs('sh', '-c', script)).all, '');
});

// All packages are unpacked anew for it; test/release does the same by another user.
if (isLongRun)
  test.serial('building again gives the same bytes', async (t) => {
    t.timeout(600_000);
    const output = join(scratch, 'again');
    await buildRootfs('--no-cache', '--output', output);
    for (const name of ['rootfs.tar.zst', 'rootfs-contents.json', 'rootfs-manifest.json']) {
      t.is(digestOf(await readFile(join(output, name))), digestOf(await readFile(join(dist, name))), name);
    }
  });

test.serial('building again without a change is skipped', async (t) => {
  const { stdout } = await buildRootfs();
  t.regex(stdout, /^rootfs sha256:[0-9a-f]{64} is up to date$/);
});

test.serial('what is optional for a kind comes with the first type of that kind', async (t) => {
  t.timeout(600_000);
  const text = await readFile(join(repository, 'rootfs-manifest.json'), 'utf8');
  const { rootfs: section, filesystems, ...rest } = JSON.parse(text);
  const other = { helper: '/usr/bin/attr', kind: 'generic', kernelFilesystem: 'other', devices: [] };
  const optional = { generic: { include: [], packages: [], files: ['usr/bin/attr'] } };
  const manifest = join(scratch, 'with-optional.json');
  const whole = { ...rest, rootfs: { ...section, optional }, filesystems: { ...filesystems, other } };
  await writeFile(manifest, JSON.stringify(whole, null, 2));
  const output = join(scratch, 'with-optional');
  await buildRootfs('--manifest', manifest, '--output', output);
  const { helpers } = JSON.parse(await readFile(join(output, 'rootfs-contents.json'), 'utf8'));
  t.is(helpers.other.resolved, '/usr/bin/attr');
  const built = parseManifest(await readFile(join(output, 'rootfs-manifest.json'), 'utf8'), output);
  t.not(built.rootfs.digest, section.digest);
  t.is(built.rootfs.optional, undefined, 'a node goes by what there is');
});

test.serial('an unknown flag is a usage error', async (t) => {
  const { exitCode, stderr } = await execa(
    process.execPath,
    [join(repository, 'scripts/rootfs.ts'), '--update-pin'],
    {
      reject: false,
    },
  );
  t.is(exitCode, 1);
  t.is(
    stderr,
    'rootfs: --update-pin: unknown option\nhint: did you mean --update-pins? See npm run rootfs -- --help',
  );
});
