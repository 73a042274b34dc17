import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import {
  directory,
  entryBytes,
  file,
  link,
  longBytes,
  owner,
  paxBytes,
  symlink,
  tarBytes,
} from '../../../support/image/tar-bytes.ts';
import { layerOf, UnpackPlace } from '../../../support/image/unpack-place.ts';

const isRoot = owner.uid === 0;
const end = Buffer.alloc(1024);

async function unpackBytes(place: UnpackPlace, ...parts: readonly Buffer[]): Promise<void> {
  await place.unpackLayers([layerOf(Buffer.concat([...parts, end]))]);
}

function xattrs(path: string): readonly string[] {
  const text = execFileSync('getfattr', ['-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names', path]);
  return text
    .toString()
    .split('\n')
    .slice(1)
    .filter((line) => line !== '');
}

(isRoot ? test : test.skip)('devices, FIFOs, owners and set-user-ID', async (t) => {
  using place = new UnpackPlace();
  const ids = { uid: 107, gid: 65534 };
  await place.unpack([
    { name: 'null', type: '3', major: 1, minor: 3, mode: 0o666, ...ids },
    { name: 'disk', type: '4', major: 259, minor: 300, mode: 0o660 },
    { name: 'pipe', type: '6', mode: 0o620 },
    file('suid', 'x', { mode: 0o6755, ...ids }),
    file('large', 'x', {
      pax: [
        ['uid', '4294967294'],
        ['gid', '3000000000'],
      ],
    }),
  ]);
  const of = (name: string) => lstatSync(place.path(name));
  t.true(of('null').isCharacterDevice() && of('disk').isBlockDevice() && of('pipe').isFIFO());
  t.deepEqual([of('null').rdev, of('disk').rdev], [0x103, 0x11032c]);
  t.deepEqual(
    ['null', 'disk', 'pipe', 'suid'].map((name) => of(name).mode & 0o7777),
    [0o666, 0o660, 0o620, 0o6755],
  );
  t.deepEqual([of('null').uid, of('suid').gid], [107, 65534]);
  t.deepEqual([of('large').uid, of('large').gid], [4294967294, 3000000000]);
});

(isRoot ? test : test.skip)(
  'xattrs are bytes; a directory that comes again has only the later ones',
  async (t) => {
    using place = new UnpackPlace();
    const capability = '\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0';
    const of = (name: string, value: string) => [`SCHILY.xattr.${name}`, value] as const;
    await place.unpack(
      [
        file('f', 'x', { uid: 1, pax: [of('security.capability', capability), of('user.a', '\xff\n=\0')] }),
        directory('d', 0o755, { pax: [of('user.old', '1'), of('user.both', '1')] }),
      ],
      [directory('d', 0o755, { pax: [of('user.both', '2')] })],
    );
    t.deepEqual(xattrs(place.path('f')), [
      'security.capability=0x0100000200200000000000000000000000000000',
      'user.a=0xff0a3d00',
    ]);
    t.deepEqual(xattrs(place.path('d')), ['user.both=0x32']);
  },
);

(isRoot ? test : test.skip)('xattrs that the kernel takes nowhere, or not here, are left out', async (t) => {
  using place = new UnpackPlace();
  const pax = ['user.overlay.impure', 'trusted.overlay.opaque', 'security.evm'].map(
    (name) => [`SCHILY.xattr.${name}`, 'y'] as const,
  );
  const ids = { major: 1, minor: 3 };
  await place.unpack(
    [
      symlink('link', 'file', { pax }),
      { name: 'device', type: '3', ...ids, pax },
      { name: 'fifo', type: '6', pax },
      directory('directory', 0o1777, { pax }),
      file('file', 'x', { pax: pax.slice(0, 2) }),
    ],
    // What was left out is missing when its directory comes again without it.
    [directory('directory')],
  );
  const has = (name: string) => xattrs(place.path(name)).filter((line) => !line.startsWith('security.'));
  for (const name of ['link', 'device', 'fifo', 'directory']) t.deepEqual(has(name), [], name);
  t.deepEqual(has('file'), ['user.overlay.impure=0x79']);
});

const badXattrs: Readonly<Record<string, readonly [name: string, value: string, code: string]>> = {
  'capabilities that are none': ['security.capability', 'y', 'EINVAL'],
  'a name that is too long': [`user.${'n'.repeat(300)}`, 'y', 'ERANGE'],
};
for (const [what, [name, value, code]] of Object.entries(badXattrs))
  (isRoot ? test : test.skip)(`an xattr that nobody could set is the image's fault: ${what}`, async (t) => {
    using place = new UnpackPlace();
    const error = await t.throwsAsync(
      place.unpack([file('f', 'x', { pax: [[`SCHILY.xattr.${name}`, value]] })]),
      { instanceOf: MounterError },
    );
    t.true(
      error?.message.includes(
        `f: the archive's entry has the attribute ${name}, which cannot be set (${code})`,
      ),
    );
    t.regex(error?.hint ?? '', /^the image is wrong there/);
  });

test('times to the nanosecond, before 1970 too; PAX numbers win', async (t) => {
  using place = new UnpackPlace();
  const times = { a: '1709210096.123456789', b: '-1.5', c: '-7', d: '1.0000000019', e: '0' };
  await place.unpack([
    ...Object.entries(times).map(([name, mtime]) => file(name, name, { mtime: 5, pax: [['mtime', mtime]] })),
    directory('dir', 0o755, { pax: [['mtime', '10.25']] }),
    symlink('link', 'a', { pax: [['mtime', '11.000000001']] }),
    file('dir/late', 'x'),
  ]);
  const of = (name: string) => lstatSync(place.path(name), { bigint: true }).mtimeNs;
  t.deepEqual(['a', 'b', 'c', 'd', 'e', 'dir', 'link'].map(of), [
    1709210096123456789n,
    -1500000000n,
    -7000000000n,
    1000000001n,
    0n,
    10250000000n,
    11000000001n,
  ]);
});

test('long names: GNU, PAX, ustar prefix; and links to them', async (t) => {
  using place = new UnpackPlace();
  const long = `${'d'.repeat(120)}/${'f'.repeat(200)}`;
  const pax = `${'p'.repeat(220)}`;
  await unpackBytes(
    place,
    longBytes('L', long),
    entryBytes(file(long)),
    longBytes('L', `${long}-link`),
    longBytes('K', long),
    entryBytes(link(long, long)),
    entryBytes(file('short', 'p', { pax: [['path', pax]] })),
    entryBytes(symlink('s', 'x', { pax: [['linkpath', pax]] })),
    entryBytes(file('base', 'u', { fields: { 345: 'prefix/more' } })),
  );
  t.is(lstatSync(place.path(long)).nlink, 2);
  t.is(lstatSync(place.path(`${long}-link`)).ino, lstatSync(place.path(long)).ino);
  t.is(place.read('s'), 'p');
  t.is(place.read('prefix/more/base'), 'u');
});

test('names that are no UTF-8 are kept, byte for byte', async (t) => {
  using place = new UnpackPlace();
  await place.unpack([
    file('\xff\xfe/a\xe9', 'x'),
    symlink('l', '\xff\xfe'),
    file('l/b', 'y'),
    file('\xc3\xa9', 'z'),
  ]);
  const names = readdirSync(place.root, { encoding: 'buffer' }).map((name) => name.toString('latin1'));
  t.deepEqual(names.sort(), ['l', '\xc3\xa9', '\xff\xfe']);
  t.is(place.read('é'), 'z');
  const inside = readdirSync(Buffer.from(`${place.root}/\xff\xfe`, 'latin1'), { encoding: 'buffer' });
  t.deepEqual(inside.map((name) => name.toString('latin1')).sort(), ['a\xe9', 'b']);
});

test('global PAX records hold for all that follows; an own empty one takes them back', async (t) => {
  using place = new UnpackPlace();
  await unpackBytes(
    place,
    entryBytes(file('before')),
    paxBytes('g', [
      ['mtime', '77'],
      ['comment', 'x'],
    ]),
    entryBytes(file('after')),
    entryBytes(file('back', 'x', { mtime: 99, pax: [['mtime', '']] })),
    entryBytes(file('own', 'x', { pax: [['mtime', '78']] })),
  );
  const seconds = (name: string) => lstatSync(place.path(name)).mtimeMs / 1000;
  t.deepEqual(['before', 'after', 'back', 'own'].map(seconds), [1709210096, 77, 99, 78]);
});

const octal = (value: number) => `${value.toString(8).padStart(11, '0')}\0`;
const hole = 1_000_000;
const pieces = [
  ['one', 0],
  ['two', hole],
  ['three', hole * 2],
] as const;
const content = pieces.map(([text]) => text).join('');
const size = hole * 3;
const pairs = pieces.flatMap(([text, offset]) => [offset, text.length]);
const sparse = {
  'the old GNU way': entryBytes({
    name: 'f',
    type: 'S',
    magic: 'ustar  \0',
    content,
    fields: { 386: pairs.map(octal).join(''), 483: octal(size) },
  }),
  'PAX 0.0': entryBytes({
    name: 'f',
    content,
    pax: [
      ['GNU.sparse.size', String(size)],
      ['GNU.sparse.numblocks', '3'],
      ...pieces.flatMap(([text, offset]) => [
        ['GNU.sparse.offset', String(offset)] as const,
        ['GNU.sparse.numbytes', String(text.length)] as const,
      ]),
    ],
  }),
  'PAX 0.1': entryBytes({
    name: 'GNUSparseFile.1/f',
    content,
    pax: [
      ['GNU.sparse.size', String(size)],
      ['GNU.sparse.name', 'f'],
      ['GNU.sparse.map', pairs.join(',')],
    ],
  }),
  'PAX 1.0': entryBytes({
    name: 'GNUSparseFile.1/f',
    content: `${[3, ...pairs].join('\n')}\n`.padEnd(512, '\0') + content,
    pax: [
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', 'f'],
      ['GNU.sparse.realsize', String(size)],
    ],
  }),
};
for (const [way, bytes] of Object.entries(sparse)) {
  for (const pieceSize of [1, 512, 65536]) {
    test(`a sparse file, ${way}, in pieces of ${pieceSize}`, async (t) => {
      using place = new UnpackPlace();
      const archive = Buffer.concat([bytes, tarBytes(file('next', 'n'))]);
      await place.unpackLayers([layerOf(archive, {}, pieceSize)]);
      const expected = Buffer.alloc(size);
      for (const [text, offset] of pieces) expected.write(text, offset);
      t.true(readFileSync(place.path('f')).equals(expected));
      t.true(lstatSync(place.path('f')).blocks * 512 < size / 2);
      t.is(place.read('next'), 'n');
      t.deepEqual(place.names(), ['f', 'next']);
    });
  }
}

const wrongMaps: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'out of order': [
    ['GNU.sparse.size', '100'],
    ['GNU.sparse.map', '50,2,10,1'],
  ],
  overlapping: [
    ['GNU.sparse.size', '100'],
    ['GNU.sparse.map', '0,2,1,1'],
  ],
  'past the end': [
    ['GNU.sparse.size', '10'],
    ['GNU.sparse.map', '9,3'],
  ],
  'too short': [
    ['GNU.sparse.size', '10'],
    ['GNU.sparse.map', '0,2'],
  ],
  'an odd count': [
    ['GNU.sparse.size', '10'],
    ['GNU.sparse.map', '0,2,3'],
  ],
  'no numbers': [
    ['GNU.sparse.size', '10'],
    ['GNU.sparse.map', 'a,-3'],
  ],
  'no size': [
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
  ],
  'no map': [
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
    ['GNU.sparse.realsize', '9'],
  ],
};
for (const [what, pax] of Object.entries(wrongMaps)) {
  test(`a sparse file's map is refused: ${what}`, async (t) => {
    using place = new UnpackPlace();
    await t.throwsAsync(place.unpack([file('f', 'abc', { pax })]), {
      message: /damaged: a (sparse file|PAX header) /,
    });
  });
}

test('old and odd headers: v7, base 256, blanks, a slash for a directory, content of a link', async (t) => {
  using place = new UnpackPlace();
  await place.unpack([
    file('v7', 'seven', { magic: '', type: '\0' }),
    file('dir/', '', { type: '\0' }),
    file('binary', 'bytes', {
      fields: { 124: `\x80${'\0'.repeat(10)}\x05`, 136: `\xff${'\xff'.repeat(10)}\xfe` },
    }),
    file('blanks', 'x', { fields: { 100: '   644 \0', 108: '        ' } }),
    { ...link('hard', 'v7'), size: 5000 },
    { name: 'contiguous', type: '7', content: 'c' },
  ]);
  t.deepEqual(place.names(), ['binary', 'blanks', 'contiguous', 'dir', 'hard', 'v7']);
  t.true(lstatSync(place.path('dir')).isDirectory());
  t.deepEqual([place.read('hard'), place.read('binary')], ['seven', 'bytes']);
  t.is(lstatSync(place.path('binary')).mtimeMs, -2000);
  t.is(lstatSync(place.path('blanks')).mode & 0o7777, 0o644);
});
