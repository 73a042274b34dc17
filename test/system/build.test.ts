import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { cacheDirectory, distDirectory, repository } from '../../scripts/paths.ts';

/** The scripts of the build: what they make depends on the sources alone; what stops them is said in a line. */

const built = [
  'mounter',
  'mounter-front',
  'glusterfs-guard',
  'rootfs-manifest.schema.json',
  'node-settings.schema.json',
];

function digestsIn(directory: string): readonly string[] {
  return built.map((name) =>
    createHash('sha256')
      .update(readFileSync(join(directory, name)))
      .digest('hex'),
  );
}

test.serial('built in another directory, by another environment, it is the same bytes', async (t) => {
  t.timeout(600_000);
  const elsewhere = mkdtempSync(join(cacheDirectory, 'another-directory-'));
  try {
    const sources = [
      'src',
      'scripts',
      'test/support',
      'package.json',
      'package-lock.json',
      'rootfs-manifest.json',
    ];
    for (const name of sources) cpSync(join(repository, name), join(elsewhere, name), { recursive: true });
    await execa('cp', ['-al', join(repository, 'node_modules'), elsewhere]);
    // What is downloaded, or takes a minute to compile; a path in it would be found below.
    await execa('mkdir', [join(elsewhere, '.cache')]);
    await execa('cp', ['-al', join(cacheDirectory, 'front'), join(elsewhere, '.cache')]);
    const env = { HOME: elsewhere, LANG: 'C.UTF-8', A_LONG_VARIABLE: 'x'.repeat(5000) };
    await execa(process.execPath, [join(elsewhere, 'scripts/build.ts')], { env, cwd: '/' });
    t.deepEqual(digestsIn(join(elsewhere, 'dist')), digestsIn(distDirectory));
  } finally {
    rmSync(elsewhere, { recursive: true, force: true });
  }
  for (const name of built) {
    const bytes = readFileSync(join(distDirectory, name));
    for (const path of [repository, cacheDirectory]) t.false(bytes.includes(path), `${path} in ${name}`);
  }
});

interface Stopped {
  readonly script: string;
  readonly argv?: readonly string[];
  /** Run before, in a mount namespace of its own. */
  readonly setUp?: string;
  readonly as?: readonly string[];
  readonly status: number;
  readonly says: RegExp;
}

// The repository may lie where root alone goes.
const reading = ['--inh-caps', '+dac_read_search', '--ambient-caps', '+dac_read_search'];
const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', ...reading];
const work = `${cacheDirectory}/rootfs`;

const withoutCompiler = [
  `mount -t tmpfs tmpfs ${work}`,
  `mount --bind /dev/null ${cacheDirectory}/build-stamp-arm64`,
  `sed '/^Package: gcc-aarch64-linux-gnu$/,/^$/d' /var/lib/dpkg/status >${work}/status`,
  `mount --bind ${work}/status /var/lib/dpkg/status`,
  `rm ${work}/status`,
].join(' && ');

const stopped: Readonly<Record<string, Stopped>> = {
  'a disk that is full while the rootfs is made': {
    script: 'rootfs.ts',
    argv: ['--no-cache', '--allow-newer', '--output', '/dev/shm/nothing-is-written'],
    setUp: `mount -t tmpfs -o size=1m tmpfs ${work}`,
    status: 2,
    says: /^(?:unpacked .*\n)*rootfs: \S+\.deb: could not be unpacked into \S+\nhint: the disk is full: make room, then try again$/,
  },
  'tests by another user than root': {
    script: 'test.ts',
    argv: ['unit'],
    as: nobody,
    status: 1,
    says: /^test: must run as root\nhint: run it as root$/,
  },
  'the demo by another user than root': {
    script: 'demo.ts',
    as: nobody,
    status: 1,
    says: /^demo: must run as root\nhint: run it as root$/,
  },
  'no compiler for the other architecture': {
    script: 'build.ts',
    argv: ['--architecture', 'arm64'],
    setUp: withoutCompiler,
    as: nobody,
    status: 2,
    says: /^build: gcc-aarch64-linux-gnu: are missing, and only root can install them\nhint: run this as root, or have apt-get install gcc-aarch64-linux-gnu run before$/,
  },
  'an architecture that nothing is built for': {
    script: 'build.ts',
    argv: ['--architecture', 'riscv64'],
    status: 1,
    says: /^build: --architecture: must be amd64 or arm64\nhint: see npm run build -- --help$/,
  },
  'pins that are to be looked at and to be changed': {
    script: 'rootfs.ts',
    argv: ['--check', '--update-pins'],
    status: 1,
    says: /^rootfs: --check: builds nothing, and goes with --manifest alone\nhint: run one after the other$/,
  },
  'a flag that npm test has not': {
    script: 'test.ts',
    argv: ['--watch'],
    status: 1,
    says: /^test: --watch: unknown option\nhint: see npm test -- --help$/,
  },
};

for (const [what, { script, argv = [], setUp = ':', as = [], status, says }] of Object.entries(stopped)) {
  test.serial(`one message, and nothing left: ${what}`, async (t) => {
    const command = [...as, process.execPath, join(repository, 'scripts', script), ...argv];
    const inside = `${setUp} && "$@"; status=$?; [ "${setUp}" = : ] || ls -A ${work} >&3; exit $status`;
    const { exitCode, stdout, stderr, stdio } = await execa(
      'unshare',
      ['--mount', 'sh', '-c', inside, 'sh', ...command],
      { reject: false, stdio: ['ignore', 'pipe', 'pipe', 'pipe'], timeout: 600_000 },
    );
    t.is(exitCode, status, stderr);
    t.is(stdout, '');
    t.regex(stderr.replaceAll(/^… .*\n/gm, ''), says);
    t.is(stdio[3], '', 'what it has made on the way');
  });
}
