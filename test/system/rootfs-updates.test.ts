import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { openPrivateApt } from '../../scripts/debian/apt.ts';
import { cacheDirectory, repository } from '../../scripts/paths.ts';
import { type Offered, SignedArchive } from '../support/packages/signed-archive.ts';

/** `npm run rootfs -- --check`, by signed archives of which apt knows no other. */

let scratch = '';
let archive: SignedArchive;
const suite = `check${process.pid}`;
const both = ['debian', 'debian-security'];

test.before('archives', async () => {
  scratch = await mkdtemp(join(tmpdir(), 'rootfs-updates-'));
  archive = await SignedArchive.make(scratch);
});

test.after.always('remove', async () => {
  await rm(scratch, { recursive: true, force: true });
  for (const architecture of ['amd64', 'arm64'])
    await rm(join(cacheDirectory, 'apt', `${suite}-${architecture}`), { recursive: true, force: true });
});

const pinned = { attr: '1:2.5-1', libc6: '2.41-12+deb13u1', sed: '4.9-2', zlib1g: '1:1.3' };

function check(environment: Readonly<Record<string, string>>) {
  return run(environment, '--check');
}

async function run(
  environment: Readonly<Record<string, string>>,
  flag: '--check' | '--update-pins',
  include: readonly string[] = [],
) {
  const { rootfs, ...rest } = JSON.parse(await readFile(join(repository, 'rootfs-manifest.json'), 'utf8'));
  const packages = Object.entries(pinned).map(([name, version]) => ({
    name,
    version,
    sha256: 'a'.repeat(64),
  }));
  const { optional: _optional, digest: _digest, ...own } = rootfs;
  const manifest = join(scratch, 'manifest.json');
  await writeFile(manifest, JSON.stringify({ ...rest, rootfs: { ...own, include, suite, packages } }));
  const argv = [join(repository, 'scripts/rootfs.ts'), flag, '--manifest', manifest];
  const { exitCode, stdout, stderr } = await execa(process.execPath, argv, {
    env: environment,
    reject: false,
    timeout: 300_000,
  });
  // Without what tells of a long wait, or of its end.
  return { exitCode, stdout, stderr: stderr.replaceAll(/^(… .*|.*, usually .*: \d+ s)\n?/gm, '') };
}

const offers: readonly (readonly [
  title: string,
  main: Offered,
  security: Offered,
  status: number,
  said: string,
])[] = [
  ['nothing newer', pinned, {}, 0, `all 4 pins are the newest of ${suite}`],
  [
    'newer by Debian’s order alone: a build of the same version, and none of an earlier epoch',
    { ...pinned, zlib1g: '2.0', sed: '4.9-2+b1' },
    { zlib1g: '1:1.3' },
    0,
    'newer    sed 4.9-2 -> 4.9-2+b1 (amd64, arm64)\n1 of 4 pinned packages have a newer version, 0 of them a security update\nhint: npm run rootfs -- --update-pins',
  ],
  [
    'a security update comes first, also where a newer one is elsewhere',
    { ...pinned, attr: '1:2.5-2', sed: '4.9-2+deb13u2' },
    { libc6: '2.41-12+deb13u2', sed: '4.9-2+deb13u1' },
    1,
    'security libc6 2.41-12+deb13u1 -> 2.41-12+deb13u2 (amd64, arm64)\nsecurity sed 4.9-2 -> 4.9-2+deb13u2 (amd64, arm64)\nnewer    attr 1:2.5-1 -> 1:2.5-2 (amd64, arm64)\n3 of 4 pinned packages have a newer version, 2 of them a security update\nhint: npm run rootfs -- --update-pins',
  ],
];
for (const [title, main, security, status, said] of offers)
  test.serial(`${title}: status ${status}`, async (t) => {
    await archive.offer(suite, main);
    await archive.offer(`${suite}-security`, security);
    t.deepEqual(await check(await archive.machine(both)), { exitCode: status, stdout: said, stderr: '' });
  });

test.serial('a machine without the security archive finds it beside the main one', async (t) => {
  t.is((await check(await archive.machine(['debian']))).exitCode, 1);
});

for (const [name, meant] of [
  ['zlb1g', 'did you mean zlib1g? '],
  ['something-else', ''],
] as const)
  test.serial(`no package is called ${name}: it is named, with the suite and what is like it`, async (t) => {
    await archive.offer(suite, pinned);
    await archive.offer(`${suite}-security`, {});
    t.deepEqual(await run(await archive.machine(both), '--update-pins', ['attr', name]), {
      exitCode: 2,
      stdout: '',
      stderr: `rootfs: ${name}: ${suite} has no package of this name for amd64\nhint: ${meant}Mend it where it is named, such as rootfs.include of rootfs-manifest.json`,
    });
  });

test.serial('archives that have only an older one tell nothing: status 2', async (t) => {
  await archive.offer(suite, { ...pinned, libc6: '2.41-12' });
  await archive.offer(`${suite}-security`, {});
  const { exitCode, stderr } = await check(await archive.machine(both));
  t.is(exitCode, 2);
  t.is(
    stderr,
    `rootfs: libc6: 2.41-12+deb13u1 is pinned, and the archives of this machine have only 2.41-12\nhint: add the security archive, ${suite}-security, to the sources in /etc/apt\n`.trimEnd(),
  );
});

test.serial(
  'a mirror whose lists are old tells nothing: status 2; what is for tests alone goes by them',
  async (t) => {
    await archive.offer(suite, pinned, new Date(Date.now() - 86_400_000));
    const machine = await archive.machine(both);
    const { exitCode, stderr } = await check(machine);
    t.is(exitCode, 2);
    t.regex(
      stderr,
      /^rootfs: apt-get update: Release file .* is expired .*\nhint: see whether the clock .* mirror has an old/,
    );
    const before = { ...process.env };
    Object.assign(process.env, machine);
    t.teardown(() => {
      process.env = before;
    });
    const apt = await openPrivateApt(suite, 'amd64', true);
    t.regex(await apt.run('apt-cache', ['policy', 'attr']), /Candidate: 1:2\.5-1/);
    await archive.offer(suite, { ...pinned, libc6: '2.41-12' });
  },
);

test.serial('a keyring that lacks the key of the suite: status 2, and what brings it', async (t) => {
  const { exitCode, stderr } = await check(await archive.machine(both, 'other'));
  t.is(exitCode, 2);
  t.regex(
    stderr,
    /^rootfs: apt-get update: the archive keys of this machine lack [0-9A-F]{16,40}: .*InRelease/,
  );
  t.regex(stderr, /\nhint: .*apt-get install debian-archive-keyring/);
});

test.serial('no security archive: status 2', async (t) => {
  await rm(join(scratch, 'debian-security'), { recursive: true, force: true });
  const { exitCode, stderr } = await check(await archive.machine(['debian']));
  t.is(exitCode, 2);
  t.regex(stderr, /^rootfs: \/etc\/apt: the sources of this machine have no security archive of check\d+\n/);
});
