import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test from 'ava';
import { execa } from 'execa';
import { type Pack, pack } from 'tar-stream';
import { LayerReader } from '../../../../src/image/layers/layer-reader.ts';
import { layerLimits } from '../../../../src/image/layers/limits.ts';
import { programCalls } from '../../../support/image/program-calls.ts';

const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
const mtime = new Date('2024-02-29T12:34:56Z');

type Headers = Parameters<Pack['entry']>[0];
type Content = readonly [header: Headers, content?: string | undefined];

/** A directory to unpack in, and beside it `outside`, which nothing may touch. */
class UnpackDirectory implements Disposable {
  readonly top = mkdtempSync(join(tmpdir(), 'unpack-test-'));
  readonly root = join(this.top, 'root');
  readonly outside = join(this.top, 'outside');
  readonly #before: readonly string[];

  constructor() {
    mkdirSync(this.root);
    mkdirSync(this.outside);
    writeFileSync(join(this.outside, 'secret'), 'untouched', { mode: 0o600 });
    this.#before = this.#state();
  }

  /** Unpacks an archive of `entries`. */
  async unpack(...entries: readonly Content[]): Promise<string> {
    return await this.unpackBytes(await archiveOf(...entries));
  }

  async unpackBytes(bytes: Buffer): Promise<string> {
    const reader = new LayerReader(this.root, programCalls, layerLimits);
    const digest = await reader.read(async () => Readable.from([bytes]));
    reader.finish();
    return digest;
  }

  isOutsideUntouched(): boolean {
    return JSON.stringify(this.#state()) === JSON.stringify(this.#before);
  }

  #state(): readonly string[] {
    const names = readdirSync(this.top);
    const { mode, nlink, size, mtimeMs, ctimeMs } = lstatSync(join(this.outside, 'secret'));
    return [...names, ...readdirSync(this.outside), `${mode} ${nlink} ${size} ${mtimeMs} ${ctimeMs}`];
  }

  [Symbol.dispose](): void {
    rmSync(this.top, { recursive: true, force: true });
  }
}

async function archiveOf(...entries: readonly Content[]): Promise<Buffer> {
  const archive: Pack = pack();
  const bytes = buffer(archive);
  for (const [header, content] of entries) archive.entry({ ...owner, mtime, ...header }, content ?? '');
  archive.finalize();
  return bytes;
}

const file = (name: string, content = 'x') => [{ name }, content] as const;
const directory = (name: string, mode = 0o755) => [{ name, type: 'directory', mode }] as const;
const symlink = (name: string, linkname: string) => [{ name, type: 'symlink', linkname }] as const;
const link = (name: string, linkname: string) => [{ name, type: 'link', linkname }] as const;

test('an absolute symlink is legal, and a file that replaces it is written beside what it named', async (t) => {
  using place = new UnpackDirectory();
  await place.unpack(
    symlink('etc/mtab', '/proc/mounts'),
    symlink('s', join(place.outside, 'secret')),
    file('s', 'own'),
  );
  t.is(readlinkSync(join(place.root, 'etc/mtab')), '/proc/mounts');
  t.is(readFileSync(join(place.root, 's'), 'utf8'), 'own');
  t.true(place.isOutsideUntouched());
});

test('a hard link to a symlink is a second name of the symlink', async (t) => {
  using place = new UnpackDirectory();
  await place.unpack(symlink('a', join(place.outside, 'secret')), link('b', 'a'), file('b', 'own'));
  t.is(readlinkSync(join(place.root, 'a')), join(place.outside, 'secret'));
  t.is(readFileSync(join(place.root, 'b'), 'utf8'), 'own');
  t.true(place.isOutsideUntouched());
});

test('a later entry wins: a file over a file, a directory over a symlink, a mode over a mode', async (t) => {
  using place = new UnpackDirectory();
  await place.unpack(
    file('f', 'old'),
    link('other', 'f'),
    file('f', 'new'),
    symlink('d', place.outside),
    directory('d'),
    file('d/inside'),
    directory('m', 0o700),
    directory('m', 0o711),
  );
  t.is(readFileSync(join(place.root, 'f'), 'utf8'), 'new');
  t.is(readFileSync(join(place.root, 'other'), 'utf8'), 'old');
  t.deepEqual(readdirSync(join(place.root, 'd')), ['inside']);
  t.is(lstatSync(join(place.root, 'm')).mode & 0o777, 0o711);
  t.true(place.isOutsideUntouched());
});

const lastByte = 'n'.repeat(99);
const names = [
  'with space',
  'with\nnewline',
  'with\ttab and "quotes"',
  '-rf',
  'ünïcödé-漢字-🙂',
  `${lastByte}/${lastByte}/${lastByte}`,
  `${'l'.repeat(255)}`,
  `${'deep/'.repeat(200)}end`,
];
test('names of any kind and length, and links to them', async (t) => {
  using place = new UnpackDirectory();
  for (const name of names) await place.unpack(file(name, name), symlink('s', name), link('h', name));
  for (const name of names) t.is(readFileSync(join(place.root, name), 'utf8'), name);
});

test("a name longer than a filesystem takes is the kernel's error, with the name", async (t) => {
  using place = new UnpackDirectory();
  await t.throwsAsync(place.unpack(file('l'.repeat(256))), { code: 'ENAMETOOLONG' });
});

test('modes with set-user-ID and sticky, times and owners are kept', async (t) => {
  using place = new UnpackDirectory();
  const ids = owner.uid === 0 ? { uid: 107, gid: 65534 } : owner;
  await place.unpack(
    [{ name: './', type: 'directory', mode: 0o751 }],
    [{ name: 'suid', mode: 0o4755, ...ids }, 'x'],
    [{ name: 'sgid', mode: 0o2750, ...ids }, 'x'],
    [{ name: 'tmp', type: 'directory', mode: 0o1777, ...ids }],
    [{ name: 'tmp/closed', mode: 0o400, ...ids }, 'x'],
    [{ name: 'link', type: 'symlink', linkname: 'suid', ...ids }],
  );
  const modes = { '.': 0o751, suid: 0o4755, sgid: 0o2750, tmp: 0o1777, 'tmp/closed': 0o400 };
  for (const [name, mode] of Object.entries(modes))
    t.is(lstatSync(join(place.root, name)).mode & 0o7777, mode, name);
  for (const name of ['suid', 'sgid', 'tmp', 'tmp/closed', 'link']) {
    const { uid, gid, mtimeMs } = lstatSync(join(place.root, name));
    t.deepEqual({ uid, gid, mtimeMs }, { ...ids, mtimeMs: mtime.getTime() }, name);
  }
});

test('a truncated archive fails, wherever it is cut', async (t) => {
  const whole = await archiveOf(file('a', 'x'.repeat(3000)), file('b'));
  for (const length of [1, 511, 513, 2000, 3500, 3584, whole.length - 1500]) {
    using place = new UnpackDirectory();
    const cut = whole.subarray(0, length);
    // Between two entries a tar has no mark: there the digest tells.
    const digest = await place.unpackBytes(cut).catch((error: Error) => error.message);
    using other = new UnpackDirectory();
    t.not(digest, await other.unpackBytes(whole), String(length));
  }
  for (const compress of [gzipSync, zstdCompressSync]) {
    using place = new UnpackDirectory();
    const bytes = compress(whole);
    await t.throwsAsync(place.unpackBytes(bytes.subarray(0, bytes.length - 5)));
  }
});

test('garbage fails', async (t) => {
  for (const start of ['', '28b52ffd', '1f8b0800']) {
    using place = new UnpackDirectory();
    await t.throwsAsync(
      place.unpackBytes(Buffer.concat([Buffer.from(start, 'hex'), Buffer.alloc(5000, 'x')])),
    );
    t.deepEqual(readdirSync(place.root), []);
  }
});

test('the digest is that of the uncompressed tar', async (t) => {
  using place = new UnpackDirectory();
  const plain = await archiveOf(file('a'));
  const digest = await place.unpackBytes(plain);
  t.regex(digest, /^sha256:[0-9a-f]{64}$/);
  t.is(await place.unpackBytes(gzipSync(plain)), digest);
  t.is(await place.unpackBytes(zstdCompressSync(plain)), digest);
});

/** Each path with all that tar keeps; hard links by the first of their names. */
function inventory(top: string): readonly string[] {
  const first = new Map<number, string>();
  return ['', ...(readdirSync(top, { recursive: true }) as string[])].sort().map((name) => {
    const path = join(top, name);
    const s = lstatSync(path);
    const content = s.isFile() ? readFileSync(path, 'base64') : s.isSymbolicLink() ? readlinkSync(path) : '';
    if (!first.has(s.ino)) first.set(s.ino, name);
    return `${name} ${first.get(s.ino)} ${s.mode.toString(8)} ${s.uid}:${s.gid} ${Math.floor(s.mtimeMs / 1000)} ${content}`;
  });
}

/** A tree with one of everything that a rootfs has. */
function growTree(top: string, longest: number): void {
  mkdirSync(join(top, 'usr/bin'), { recursive: true });
  writeFileSync(join(top, 'usr/bin/tool'), Buffer.alloc(100_000, 'tool'));
  chmodSync(join(top, 'usr/bin/tool'), 0o4755);
  linkSync(join(top, 'usr/bin/tool'), join(top, 'usr/bin/alias'));
  symlinkSync('usr/bin', join(top, 'bin'));
  symlinkSync('/proc/mounts', join(top, 'mtab'));
  lutimesSync(join(top, 'bin'), 1000, 1000);
  mkdirSync(join(top, 'empty'), 0o711);
  mkdirSync(join(top, 'n'.repeat(longest)));
  writeFileSync(join(top, 'n'.repeat(longest), `${'é'.repeat(longest / 2)} \n`), '');
  lutimesSync(join(top, 'usr'), 1_000_000_000, 1_000_000_000);
}

for (const format of ['gnu', 'pax', 'ustar']) {
  test(`the same tree as GNU tar makes of a ${format} archive`, async (t) => {
    using place = new UnpackDirectory();
    const [tree, theirs] = [join(place.top, 'tree'), join(place.top, 'theirs')];
    mkdirSync(tree);
    mkdirSync(theirs);
    // ustar has no longer names.
    growTree(tree, format === 'ustar' ? 80 : 180);
    await execa('tar', [`--format=${format}`, '-cf', join(place.top, 'archive.tar'), '-C', tree, '.']);
    await execa('tar', ['-xpf', join(place.top, 'archive.tar'), '-C', theirs]);
    await place.unpackBytes(readFileSync(join(place.top, 'archive.tar')));
    t.deepEqual(inventory(place.root), inventory(theirs));
  });
}
