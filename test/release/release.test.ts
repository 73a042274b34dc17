import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { ensureInstalled, unpackedPackage } from '../../scripts/debian.ts';
import { cacheDirectory, repository } from '../../scripts/paths.ts';
import { sumsOf, sumsText } from '../../scripts/release/sums.ts';
import { digestOf } from '../../scripts/rootfs/archive.ts';
import { DockerRegistry } from '../support/image/docker-registry.ts';
import { ensureCosign } from '../support/packages/cosign.ts';
import { faultsOfSpdx } from '../support/packages/spdx-tools.ts';
import { section, substitute } from '../support/texts/readme.ts';

/**
 * A release is made twice of the last commit: by root here, and by another user, elsewhere, who has nothing but what is
 * downloaded.
 */

const scratch = mkdtempSync(join(cacheDirectory, 'release-test-'));
/** Where the other one sees its clone. */
const elsewhere = mkdtempSync(join(tmpdir(), 'another one-'));
test.after.always(() => {
  for (const directory of [scratch, elsewhere]) rmSync(directory, { recursive: true, force: true });
});

const key = join(scratch, 'key.pem');
const publicKey = join(scratch, 'key.pub');
const release = join(scratch, 'own/dist/release');
const others = join(scratch, 'another/dist/release');

/** The first of the users that are root's and everybody's in the other's user namespace. */
const firstId = 200_000;

async function clone(name: string): Promise<string> {
  const directory = join(scratch, name);
  await execa('git', ['clone', '--quiet', '--no-hardlinks', repository, directory]);
  await execa('cp', ['-al', join(repository, 'node_modules'), directory]);
  await execa('mkdir', ['-p', join(directory, '.cache/front')]);
  for (const downloads of ['debs', 'bun'])
    await execa('cp', ['-r', join(cacheDirectory, downloads), join(directory, '.cache')]);
  await execa('sh', ['-c', `cp ${cacheDirectory}/front/*.tar.xz ${directory}/.cache/front`]);
  await execa('cp', [key, join(directory, '.cache')]);
  return directory;
}

function releaseIn(directory: string): readonly string[] {
  return [
    `${directory}/node_modules/.bin/node`,
    `${directory}/scripts/release.ts`,
    '--sign-key',
    `${directory}/.cache/key.pem`,
  ];
}

async function releaseHere(): Promise<void> {
  const directory = await clone('own');
  const [program = '', ...args] = releaseIn(directory);
  await execa(program, args, { cwd: directory });
}

/** Where files lie about that git does not see. */
const places = ['', 'src', 'docs', 'docs/json', 'scripts/image', 'dist'];

/** By a user without any right here, who is root in a user namespace, on one CPU, with the clone as HOME. */
async function releaseElsewhere(): Promise<void> {
  const directory = await clone('another');
  writeFileSync(join(directory, '.git/info/exclude'), 'stray.*\n');
  mkdirSync(join(directory, 'dist'));
  for (const place of places)
    for (const end of ['md', 'ts', 'schema.json']) writeFileSync(join(directory, place, `stray.${end}`), '}');
  const all = await execa('find', [
    directory,
    '-path',
    `${directory}/node_modules`,
    '-prune',
    '-o',
    '-print0',
  ]);
  await execa('xargs', ['-0', 'chown', '-h', `${firstId}:${firstId}`], { input: all.stdout });
  const inside =
    'umask 077 && read -r ready && exec setpriv --reuid 0 --regid 0 --clear-groups taskset 1 "$@"';
  const enter = 'mount --bind "$1" "$2" && shift 2 && exec unshare --user --keep-caps sh -c "$0" sh "$@"';
  const argv = ['--mount', 'sh', '-c', enter, inside, directory, elsewhere, ...releaseIn(elsewhere)];
  const env = { PATH: process.env.PATH, HOME: elsewhere, TZ: 'Asia/Tokyo', LANG: 'tr_TR.UTF-8' };
  const child = execa('unshare', argv, { cwd: '/', env, extendEnv: false, stdin: 'pipe' });
  let isOver = false;
  child
    .catch(() => {})
    .finally(() => {
      isOver = true;
    });
  const own = readlinkSync('/proc/self/ns/user');
  while (!isOver && readlinkSync(`/proc/${child.pid}/ns/user`) === own) await sleep(20);
  for (const map of ['uid_map', 'gid_map'])
    writeFileSync(`/proc/${child.pid}/${map}`, `0 ${firstId} 65536\n`);
  child.stdin.end('ready\n');
  await child;
}

test.before('two releases', async (t) => {
  t.timeout(7_200_000);
  chmodSync(elsewhere, 0o755);
  await execa('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', key]);
  await execa('openssl', ['pkey', '-in', key, '-pubout', '-out', publicKey]);
  await Promise.all([releaseHere(), releaseElsewhere()]);
});

test('whoever makes it, wherever, it is the same bytes', async (t) => {
  const [own, another] = [await sumsOf(release), await sumsOf(others)];
  t.true(own.length > 80);
  t.deepEqual(another, own);
});

test('SHA256SUMS has everything but itself and its signature', async (t) => {
  const sums = (await sumsOf(release)).filter(({ path }) => !path.startsWith('SHA256SUMS'));
  t.is(readFileSync(`${release}/SHA256SUMS`, 'utf8'), sumsText(sums));
  await execa('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: release });
});

/** What somebody else makes of a release. */
const tampered: Readonly<Record<string, string>> = {
  'a byte changed': 'sed -i s/a/b/ amd64/rootfs-manifest.json',
  'the executables exchanged': 'mv amd64/mounter x; mv arm64/mounter amd64; mv x arm64/mounter',
  'a file less': 'rm image-node-agent.json',
  'sums of its own':
    'sed -i s/a/b/ CHANGES.md; sed -i "/CHANGES.md/d; \\$a $(sha256sum CHANGES.md)" SHA256SUMS',
  'no line for what is changed': 'sed -i s/a/b/ CHANGES.md; sed -i /CHANGES.md/d SHA256SUMS',
  'no signature': 'rm SHA256SUMS.sig; touch SHA256SUMS.sig',
};

test('docs/release.md verifies a release, and nothing that somebody has tampered with', async (t) => {
  t.timeout(600_000);
  for (const [version, program] of Object.entries(await ensureCosign())) {
    const words = { 'cosign.pub': publicKey, 'cosign ': `${program} ` };
    const commands = section('Verify it').commands.map((command) => substitute(command, words));
    const verify = (directory: string) =>
      execa('sh', ['-ec', commands.join('\n')], { cwd: directory, reject: false });
    const { exitCode, stderr } = await verify(release);
    t.is(exitCode, 0, `${version}: ${stderr}`);
    for (const [what, change] of Object.entries(tampered)) {
      const other = join(scratch, 'tampered');
      // Links: each change makes new files.
      await execa('cp', ['-al', release, other]);
      await execa('sh', ['-ec', change], { cwd: other });
      t.not((await verify(other)).exitCode, 0, `${version}: ${what}`);
      rmSync(other, { recursive: true });
    }
  }
});

test('each architecture gets its own executable in the image of the node agent', async (t) => {
  const { tag, index, digests } = JSON.parse(readFileSync(`${release}/image-node-agent.json`, 'utf8'));
  await using registry = await DockerRegistry.start();
  const image = `docker://${registry.address}/agent`;
  const push = ['copy', '--all', '--preserve-digests', '--dest-tls-verify=false'];
  await execa('skopeo', [...push, `oci:${release}/image-node-agent:${tag}`, `${image}:${tag}`]);
  for (const architecture of ['amd64', 'arm64']) {
    const pulled = join(scratch, `pulled-${architecture}`);
    const pull = ['copy', '--override-arch', architecture, '--src-tls-verify=false'];
    await execa('skopeo', [...pull, `${image}@${index}`, `dir:${pulled}`]);
    t.is(digestOf(readFileSync(`${pulled}/manifest.json`)), digests[architecture]);
    const layers = `for layer in $(ls | grep -x '[0-9a-f]*'); do tar --zstd -xOf $layer usr/bin/mounter; done`;
    const compare = `(${layers}) 2>/dev/null | cmp - "$0"`;
    await execa('sh', ['-c', compare, `${release}/${architecture}/mounter`], { cwd: pulled });
  }
});

test("SPDX's own tools find nothing wrong with the bills", async (t) => {
  const bills = readdirSync(release).filter((name) => name.endsWith('.spdx.json'));
  t.is(bills.length, 4);
  for (const name of bills) t.is(await faultsOfSpdx(join(release, name)), '', name);
});

test('the image is pushed as README says, and signed', async (t) => {
  const { tag, index, digests } = JSON.parse(readFileSync(`${release}/image.json`, 'utf8'));
  await using registry = await DockerRegistry.start();
  const name = `${registry.address}/storage-tools`;
  for (const one of [tag, `${index.replace(':', '-')}.sig`])
    await execa('skopeo', [
      ...['copy', '--all', '--preserve-digests', '--dest-tls-verify=false'],
      ...[`oci:${release}/image:${one}`, `docker://${name}:${one}`],
    ]);
  const home = join(scratch, 'home');
  const argv = ['install', `${name}@${index}`, '--verify-key', publicKey];
  await execa(`${release}/amd64/mounter`, argv, { env: { MOUNTER_HOME: home } });
  const { stdout } = await execa(`${home}/mounter`, ['versions']);
  t.true(stdout.includes(digests.amd64.slice(0, 'sha256:'.length + 12)), stdout);
});

test('lintian has nothing to say of the packages', async (t) => {
  await ensureInstalled(['lintian']);
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  for (const architecture of ['amd64', 'arm64']) {
    const file = `${release}/containerized-mounter_${version}_${architecture}.deb`;
    const argv = ['--allow-root', '--fail-on', 'error,warning', file];
    const { exitCode, stdout } = await execa('lintian', argv, { reject: false });
    t.is(exitCode, 0, stdout);
  }
});

/** On the machine that dpkg installs it on. */
const onMachine = `
dpkg --install /tmp/package.deb >/dev/null
dpkg --verify containerized-mounter
find /etc/systemd -name 'containerized-mounter*'
man -P cat 8 mounter | grep ^NAME >/dev/null
man -P cat 5 rootfs-manifest.json | grep ^NAME >/dev/null
bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader mounter; complete -p mounter' >/dev/null
zsh -c 'autoload -U compinit; compinit -u -D; test $_comps[mounter] = _mounter'
fish -c 'complete --do-complete "mounter inst"' | grep ^install >/dev/null
export MOUNTER_HOME=/srv/mounter
mounter install /usr/lib/containerized-mounter/rootfs.tar.zst >/dev/null
mounter versions
dpkg --remove containerized-mounter >/dev/null
! test -e /usr/sbin/mounter
/srv/mounter/mounter versions
`;

test('dpkg installs the package, which starts nothing; manual and completions are found, and what it brings installs the node', async (t) => {
  const readers = [
    await unpackedPackage('bash-completion', 'bookworm'),
    await unpackedPackage('man-db', 'bookworm', ['groff-base', 'libgdbm6', 'libpipeline1', 'libuchardet0']),
  ];
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  const top = join(scratch, 'machine');
  mkdirSync(top);
  writeFileSync(join(scratch, 'on-machine.sh'), onMachine);
  const script = `
    mount -t tmpfs tmpfs ${top}
    mkdir ${top}/upper ${top}/work ${top}/root
    mount -t overlay -o lowerdir=/,upperdir=${top}/upper,workdir=${top}/work overlay ${top}/root
    mount -t proc proc ${top}/root/proc
    for files in ${readers.join(' ')}; do cp -dR $files/etc $files/usr ${top}/root; done
    cp ${release}/containerized-mounter_${version}_amd64.deb ${top}/root/tmp/package.deb
    cp ${scratch}/on-machine.sh ${top}/root/tmp
    exec chroot ${top}/root bash -e -o pipefail /tmp/on-machine.sh`;
  const { stdout } = await execa('unshare', ['--mount', '--pid', '--fork', 'sh', '-ec', script], {
    stdin: 'ignore',
  });
  const lines = stdout.split('\n');
  t.is(lines.length % 2, 0);
  t.deepEqual(lines.slice(0, lines.length / 2), lines.slice(lines.length / 2), 'the same before and after');
  t.regex(stdout, /[0-9a-f]{12}/);
});
