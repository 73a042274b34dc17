import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import { execa } from 'execa';
import { changesOf } from '../../../../scripts/release/changelog.ts';
import type { ReleasedFile } from '../../../../scripts/release/contents.ts';
import { debOf } from '../../../../scripts/release/deb.ts';
import { debianPackage, maintainerOf } from '../../../../scripts/release/debian-package.ts';

/** Debian's own dpkg reads what we write without it. */

const directory = mkdtempSync(join(tmpdir(), 'deb-'));
test.after.always(() => rmSync(directory, { recursive: true }));

const changes = changesOf('## 1.2.3, 2026-01-02\n\n- It is there.\n', '1.2.3', 'x');

function packaged(path: string, text: string, isCompressed = false, mode = 0o644): ReleasedFile {
  return { content: Buffer.from(text), mode, path: undefined, packaged: { path, isCompressed } };
}

const files = [
  packaged('usr/sbin/mounter', '#!/bin/sh\n', false, 0o755),
  packaged('usr/share/doc/containerized-mounter/README.md', 'An odd number of bytes.', true),
];
const described = debianPackage('arm64', files, changes);
const file = join(directory, 'a.deb');
test.before(async () => writeFileSync(file, await debOf(described)));

async function dpkg(...args: readonly string[]): Promise<string> {
  return (await execa('dpkg-deb', args)).stdout;
}

test('the same files give the same bytes', async (t) => {
  t.true(readFileSync(file).equals(await debOf(debianPackage('arm64', files, changes))));
});

test('dpkg reads its fields', async (t) => {
  const field = (name: string) => dpkg('--field', file, name);
  t.deepEqual(
    [await field('Package'), await field('Version'), await field('Architecture')],
    ['containerized-mounter', '1.2.3', 'arm64'],
  );
  t.regex(await field('Installed-Size'), /^\d+$/);
});

test("dpkg unpacks it: root's files, with their modes, of the day of the release, and the digests it has of them", async (t) => {
  const listing = await dpkg('--contents', file);
  t.regex(listing, /^drwxr-xr-x 0\/0 +0 2026-01-02 00:00 \.\/$/m);
  t.regex(listing, /^-rwxr-xr-x 0\/0 +10 2026-01-02 00:00 \.\/usr\/sbin\/mounter$/m);
  for (const line of listing.split('\n')) t.regex(line, /^\S+ 0\/0 +\d+ 2026-01-02 00:00 \.\//);
  const root = join(directory, 'root');
  await dpkg('--raw-extract', file, root);
  t.is(statSync(`${root}/usr/sbin/mounter`).mode & 0o7777, 0o755);
  await execa('md5sum', ['--check', '--strict', 'DEBIAN/md5sums'], { cwd: root });
  const { stdout } = await execa('zcat', [`${root}/usr/share/doc/containerized-mounter/README.md.gz`]);
  t.is(stdout, 'An odd number of bytes.');
});

test('its units are there, and nothing enables or starts them', (t) => {
  const texts = described.entries.flatMap((entry) =>
    entry.kind === 'file' ? [[entry.path, entry.content.toString('latin1')] as const] : [],
  );
  const units = texts.filter(([path]) => path.startsWith('usr/lib/systemd/system/'));
  t.true(units.length >= 4);
  for (const [path, text] of units) {
    t.regex(path, /\/containerized-mounter-[a-z]+\.(service|timer)$/);
    t.regex(text, /^ConditionFileIsExecutable=/m);
  }
  t.deepEqual(
    described.entries.filter(({ path, kind }) => kind === 'link' || /^etc\/|\.wants\//.test(path)),
    [],
  );
  for (const script of Object.values(described.scripts)) t.notRegex(script, /start|enable/);
});

test('what is written of it is in it: README.Debian, the changelog, the licences', (t) => {
  const paths = described.entries.map(({ path }) => path);
  for (const name of ['README.Debian', 'copyright', 'changelog.gz'])
    t.true(paths.includes(`usr/share/doc/containerized-mounter/${name}`), name);
});

test('its maintainer is whom the release names, in control file and changelog', (t) => {
  const maintainer = maintainerOf('The Storage Team <storage@example.org>');
  const { fields, entries } = debianPackage('arm64', [], changes, maintainer);
  t.is(fields.Maintainer, maintainer);
  const changelog = entries.find(({ path }) => path.endsWith('/changelog.gz'));
  if (changelog?.kind !== 'file') throw new Error('no changelog');
  t.true(gunzipSync(changelog.content).includes(` -- ${maintainer}  Fri, 02 Jan 2026`));
  for (const wrong of ['storage@example.org', 'A <b>', 'A <b@c> \nDepends: x', 'A\nB: x <b@c>', ''])
    t.throws(() => maintainerOf(wrong), { message: /NAME <ADDRESS>/ }, wrong);
});
