import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import test from 'ava';
import { directory, type EntryBytes, file, link, owner, symlink } from '../../../support/image/tar-bytes.ts';
import { UnpackPlace } from '../../../support/image/unpack-place.ts';

type Layers = readonly (readonly EntryBytes[])[];
const opaque = (name: string) => file(`${name}.wh..wh..opq`, '');
const whiteout = (name: string) => file(name.replace(/[^/]*$/, '.wh.$&'), '');
const lower = [directory('d', 0o700), file('d/a'), directory('d/s'), file('d/s/b'), file('f')];

const trees: readonly (readonly [title: string, layers: Layers, names: readonly string[]])[] = [
  ['a plain whiteout removes a file', [lower, [whiteout('f')]], ['d', 'd/a', 'd/s', 'd/s/b']],
  ['a plain whiteout removes a tree', [lower, [whiteout('d')]], ['f']],
  ['a whiteout of what is not there is no error', [lower, [whiteout('x/y/z'), whiteout('d')]], ['f']],
  ['a whiteout below a file is no error', [[file('f')], [whiteout('f/x')]], ['f']],
  ['a whiteout is not unpacked itself', [[whiteout('f')]], []],
  [
    'it spares its own layer, when it comes last',
    [lower, [file('f', 'new'), whiteout('f')]],
    ['d', 'd/a', 'd/s', 'd/s/b', 'f'],
  ],
  [
    'it spares its own layer, when it comes first',
    [lower, [whiteout('f'), file('f', 'new')]],
    ['d', 'd/a', 'd/s', 'd/s/b', 'f'],
  ],
  [
    'a tree is removed around what its own layer puts in',
    [lower, [file('d/s/new'), whiteout('d')]],
    ['d', 'd/s', 'd/s/new', 'f'],
  ],
  [
    'deleted, then made again two layers up',
    [lower, [whiteout('d')], [directory('d'), file('d/x')]],
    ['d', 'd/x', 'f'],
  ],
  ['made, deleted and deleted again', [lower, [whiteout('d')], [whiteout('d')]], ['f']],
  ['an opaque directory keeps itself only', [lower, [directory('d'), opaque('d/')]], ['d', 'f']],
  [
    "opaque before its own layer's entries",
    [lower, [directory('d'), opaque('d/'), file('d/n')]],
    ['d', 'd/n', 'f'],
  ],
  [
    "opaque after its own layer's entries",
    [lower, [directory('d'), file('d/n'), file('d/s/m'), opaque('d/')]],
    ['d', 'd/n', 'd/s', 'd/s/m', 'f'],
  ],
  ['an opaque root', [lower, [opaque(''), file('n')]], ['n']],
  ['opaque where nothing is', [[file('f')], [opaque('none/')]], ['f']],
  ['opaque in the lowest layer', [[directory('d'), file('d/a'), opaque('d/')]], ['d', 'd/a']],
  [
    'an opaque directory that is a symlink below',
    [
      [directory('r'), file('r/old'), symlink('d', 'r')],
      [opaque('d/'), file('d/new')],
    ],
    ['d', 'r', 'r/new'],
  ],
  [
    "AUFS's own entries are passed over",
    [[directory('.wh..wh.plnk'), file('.wh..wh.plnk/1.2'), file('.wh..wh.aufs'), file('f')]],
    ['f'],
  ],
  ['a name that only looks like a whiteout', [[file('f')], [file('x.wh.f')]], ['f', 'x.wh.f']],
  ['a directory becomes a file', [lower, [file('d')]], ['d', 'f']],
  [
    'a file becomes a directory',
    [lower, [directory('f'), file('f/n')]],
    ['d', 'd/a', 'd/s', 'd/s/b', 'f', 'f/n'],
  ],
  ['a directory becomes a symlink', [lower, [symlink('d', 'f')]], ['d', 'f']],
  [
    'a symlink becomes a directory',
    [
      [directory('r'), file('r/a'), symlink('d', 'r')],
      [directory('d'), file('d/n')],
    ],
    ['d', 'd/n', 'r', 'r/a'],
  ],
  [
    'a directory becomes a symlink and entries follow it',
    [
      [directory('d'), file('d/a'), directory('r')],
      [symlink('d', '/r'), file('d/n')],
    ],
    ['d', 'r', 'r/n'],
  ],
  [
    'a file goes where an absolute symlink leads inside',
    [[directory('usr/lib'), symlink('lib', '/usr/lib')], [file('lib/x')]],
    ['lib', 'usr', 'usr/lib', 'usr/lib/x'],
  ],
  [
    'a dangling symlink on the way is filled',
    [[symlink('var/run', '/run')], [file('var/run/x')]],
    ['run', 'run/x', 'var', 'var/run'],
  ],
  [
    'a whiteout through a symlink',
    [[directory('r'), file('r/a'), symlink('d', 'r')], [whiteout('d/a')]],
    ['d', 'r'],
  ],
  [
    'a removed symlink leads nowhere any more',
    [
      [directory('r'), symlink('d', 'r'), file('d/a')],
      [whiteout('d'), directory('d'), file('d/b')],
    ],
    ['d', 'd/b', 'r', 'r/a'],
  ],
];
for (const [title, layers, names] of trees) {
  test(title, async (t) => {
    using place = new UnpackPlace();
    await place.unpack(...layers);
    t.deepEqual(place.names(), names);
    t.true(place.isOutsideUntouched());
  });
}

test("the content is the upper layer's, whatever the order", async (t) => {
  using place = new UnpackPlace();
  await place.unpack(lower, [file('f', 'new'), whiteout('f'), whiteout('d/a'), file('d/a', 'new')]);
  t.is(place.read('f') + place.read('d/a'), 'newnew');
});

test('merged directories have the upper mode and time; untouched ones keep theirs', async (t) => {
  using place = new UnpackPlace();
  const at = (seconds: number) => ({ mtime: seconds });
  await place.unpack(
    [directory('m', 0o700, at(1000)), directory('k', 0o711, at(2000)), directory('gone', 0o700, at(1))],
    [directory('m', 0o1777, at(3000)), file('m/x'), file('k/y'), whiteout('gone')],
  );
  const [m, k] = [lstatSync(place.path('m')), lstatSync(place.path('k'))];
  t.deepEqual([m.mode & 0o7777, m.mtimeMs], [0o1777, 3_000_000]);
  t.deepEqual([k.mode & 0o7777, k.mtimeMs], [0o711, 2_000_000]);
});

test("hard links to a lower layer's file, and to its symlink", async (t) => {
  using place = new UnpackPlace();
  await place.unpack(
    [file('a', 'A'), symlink('s', 'a')],
    [link('d/b', './a'), link('t', '/s'), link('a', 'a')],
  );
  t.is(lstatSync(place.path('a')).ino, lstatSync(place.path('d/b')).ino);
  t.is(lstatSync(place.path('s')).ino, lstatSync(place.path('t')).ino);
  t.is(readlinkSync(place.path('t')), 'a');
  t.is(readFileSync(place.path('a'), 'utf8'), 'A');
});

test('a replaced file does not change its other names', async (t) => {
  using place = new UnpackPlace();
  await place.unpack([file('a', 'old'), link('b', 'a')], [file('a', 'new')]);
  t.is(`${place.read('a')} ${place.read('b')}`, 'new old');
});

test('directories that no entry names are made for root to write and all to enter', async (t) => {
  using place = new UnpackPlace();
  const old = process.umask(0o077);
  await place.unpack([file('p/q/f')]).finally(() => process.umask(old));
  const { mode, uid } = lstatSync(place.path('p/q'));
  t.deepEqual([mode & 0o7777, uid], [0o755, owner.uid]);
  t.deepEqual(readdirSync(place.path('p')), ['q']);
});
