import { existsSync, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import { directory, type EntryBytes, file, link, symlink } from '../../../support/image/tar-bytes.ts';
import { reference, UnpackPlace } from '../../../support/image/unpack-place.ts';

/** `OUTSIDE` in a name or target is the directory beside the root, which must stay as it is. */
function inPlace(place: UnpackPlace, entries: readonly EntryBytes[]): readonly EntryBytes[] {
  const put = (text: string) => text.replace('OUTSIDE', place.outside);
  return entries.map((entry) => ({
    ...entry,
    name: put(entry.name),
    ...(entry.linkname === undefined ? {} : { linkname: put(entry.linkname) }),
  }));
}

const refused: readonly (readonly [title: string, entries: readonly EntryBytes[], RegExp])[] = [
  ['a "." symlink (CVE-2021-29136)', [symlink('.', 'OUTSIDE'), file('new')], /replace the root/],
  ['a "./" symlink', [symlink('./', 'OUTSIDE'), file('new')], /replace the root/],
  ['an "a/.." symlink', [symlink('a/..', 'OUTSIDE'), file('new')], /replace the root/],
  ['a ".." symlink', [symlink('..', 'OUTSIDE'), file('new')], /replace the root/],
  ['a "/" symlink', [symlink('/', 'OUTSIDE'), file('new')], /replace the root/],
  ['a file in place of the root', [file('.')], /replace the root/],
  ['a hard link to the root', [link('in', '.')], /is a directory/],
  ['a hard link to the outside', [link('in', 'OUTSIDE/secret')], /which is not there/],
  ['a hard link to the outside by ".."', [link('in', '../outside/secret')], /which is not there/],
  ['a hard link through a symlink', [symlink('way', 'OUTSIDE'), link('in', 'way/secret')], /not there/],
  [
    'a hard link through a symlink with ".."',
    [symlink('way', '../../outside'), link('in', 'way/secret')],
    /not there/,
  ],
  ['a hard link to a directory', [directory('a'), link('in', 'a')], /is a directory/],
  ['a hard link to nothing', [link('in', '')], /link to nothing/],
  ['a symlink to nothing', [symlink('in', '')], /link to nothing/],
  ['a file below a file', [file('a'), file('a/b')], /b?elow \/a, which is no directory/],
  ['a file below symlinks in circles', [symlink('a', 'b'), symlink('b', 'a'), file('a/f')], /in circles/],
  ['a file below a symlink to itself', [symlink('a', 'a'), file('a/f')], /in circles/],
  ['a whiteout of no name: .wh.', [file('a/.wh.')], /whiteout of what is no name/],
  ['a whiteout of ".": .wh..', [file('a/.wh..')], /whiteout of what is no name/],
  ['a whiteout of "..": .wh...', [file('a/.wh...')], /whiteout of what is no name/],
  ['a whiteout of "..", at the top', [file('.wh...')], /whiteout of what is no name/],
  ['an unknown kind', [{ name: 'a', type: 'Z' }], /kind that tar\(5\) does not name: Z/],
  ['an invalid owner', [file('a', '', { pax: [['uid', '4294967295']] })], /invalid owner/],
  [
    'a name that the kernel would not take',
    [file('a', '', { pax: [['path', 'a/../'.repeat(1000)]] })],
    /name of more than 4096 bytes/,
  ],
  [
    'a path that a longer name of its version would put out of reach',
    [
      symlink('way', '', { pax: [['linkpath', `${'d'.repeat(200)}/`.repeat(8)]] }),
      file('f', '', { pax: [['path', `way/${'e'.repeat(200)}/${'e'.repeat(200)}/${'e'.repeat(200)}/f`]] }),
    ],
    /begins a path of 2\d\d\d bytes, and 2048 are the most/,
  ],
  ['a NUL in a PAX name', [file('a', '', { pax: [['path', 'a\0b']] })], /NUL in its name/],
];
for (const [title, entries, message] of refused) {
  test(`refused, and the outside untouched: ${title}`, async (t) => {
    using place = new UnpackPlace();
    const error = await t.throwsAsync(place.unpack(inPlace(place, entries)), { message });
    t.true(error instanceof MounterError);
    const { status, subject, hint } = error as MounterError;
    t.is(status, 2);
    t.is(subject, reference);
    t.truthy(hint);
    t.regex(error?.message ?? '', /^layer sha256:[0-9a-f]{64}: /);
    t.true(place.isOutsideUntouched());
  });
}

const contained: readonly (readonly [
  title: string,
  layers: readonly (readonly EntryBytes[])[],
  path: string,
])[] = [
  ['an absolute name', [[file('/a/new')]], 'a/new'],
  ['".." at the start', [[file('../outside/new')]], 'outside/new'],
  ['".." inside', [[directory('a'), file('a/../../../outside/new')]], 'outside/new'],
  ['".." through a symlink is by the text', [[symlink('a', 'x/y'), file('a/../new')]], 'new'],
  [
    'a relative symlink, then a file through it',
    [[symlink('a', '../outside'), file('a/new')]],
    'outside/new',
  ],
  [
    'two symlinks that lead out together (CVE-2025-45582)',
    [[directory('a'), symlink('a/up', '..'), symlink('a/up/out', '../outside'), file('a/up/out/new')]],
    'outside/new',
  ],
  ['the same over two layers', [[symlink('way', '../../outside')], [file('way/new')]], 'outside/new'],
  ['a whiteout with ".."', [[file('new')], [file('a/../../.wh.secret')]], 'new'],
];
for (const [title, layers, path] of contained) {
  test(`contained, and the outside untouched: ${title}`, async (t) => {
    using place = new UnpackPlace();
    await place.unpack(...layers);
    t.true(existsSync(place.path(path)));
    t.true(place.isOutsideUntouched());
  });
}

/** Each leads outside by an absolute symlink; inside the root the same path is made. */
const through: Readonly<Record<string, readonly EntryBytes[]>> = {
  'a file': [file('way/new')],
  'a directory': [directory('way/new')],
  'a symlink': [symlink('way/new', 'x')],
  'a hard link': [file('f'), link('way/new', 'f')],
  'a plain whiteout': [file('way/.wh.secret'), file('way/new')],
  'an opaque whiteout': [file('way/.wh..wh..opq'), file('way/new')],
};
for (const [what, entries] of Object.entries(through)) {
  for (const isLower of [false, true]) {
    test(`an absolute symlink outside, then ${what} through it${isLower ? ', a layer later' : ''}`, async (t) => {
      using place = new UnpackPlace();
      const way = symlink('way', place.outside);
      await place.unpack(...(isLower ? [[way], entries] : [[way, ...entries]]));
      t.truthy(lstatSync(join(place.root, place.outside, 'new')));
      t.is(readlinkSync(place.path('way')), place.outside);
      t.true(place.isOutsideUntouched());
    });
  }
}

test('a file over a symlink, a hard link to it, and a whiteout of it leave what it named', async (t) => {
  using place = new UnpackPlace();
  const secret = join(place.outside, 'secret');
  const links = ['a', 'b', 'c'].map((name) => symlink(name, secret));
  await place.unpack([...links, file('a', 'own')], [link('d', 'b'), file('b', 'own'), file('.wh.c')]);
  t.deepEqual(place.names(), ['a', 'b', 'd']);
  t.is(place.read('a') + place.read('b'), 'ownown');
  t.is(readlinkSync(place.path('d')), secret);
  t.true(place.isOutsideUntouched());
});

test('a directory over a symlink replaces it; one in the way of a file goes, not through its symlinks', async (t) => {
  using place = new UnpackPlace();
  const out = place.outside;
  await place.unpack(
    [symlink('d', out), directory('e'), symlink('e/out', out), file('e/f')],
    [directory('d'), file('d/new'), file('e', 'file')],
  );
  t.deepEqual(place.names(), ['d', 'd/new', 'e']);
  t.is(readFileSync(place.path('e'), 'utf8'), 'file');
  t.true(place.isOutsideUntouched());
});
