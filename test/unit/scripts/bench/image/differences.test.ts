import test from 'ava';
import { differencesOf } from '../../../../../scripts/bench/image/differences.ts';
import { parseGetfattr, type Tree, type TreeEntry } from '../../../../../scripts/bench/image/tree.ts';

const file: TreeEntry = {
  type: 'file',
  mode: '0644',
  owner: '0:0',
  mtime: '1.000000000',
  size: '1',
  sha256: 'aa',
};

function tree(entries: Readonly<Record<string, TreeEntry>>): Tree {
  return new Map(Object.entries(entries));
}

test('equal trees have no differences', (t) => {
  t.deepEqual(differencesOf(tree({ a: file }), tree({ a: { ...file } })), []);
});

test('what is missing, too much or of another type is one line', (t) => {
  const fifo = { ...file, type: 'fifo' };
  t.deepEqual(differencesOf(tree({ a: file, b: file, c: file }), tree({ b: fifo, c: file, 'd\n': fifo })), [
    'a: is missing: file',
    'b: is a fifo, not a file',
    'd\\x0a: is too much: fifo',
  ]);
});

test('each field that differs is a line', (t) => {
  const found = { ...file, mode: '4755', sha256: 'bb', xattrs: 'user.x=0x31' };
  t.deepEqual(differencesOf(tree({ a: file }), tree({ a: found })), [
    'a: mode is 4755, not 0644',
    'a: sha256 is bb, not aa',
    'a: xattrs is user.x=0x31, not none',
  ]);
});

test('getfattr: escaped names, several attributes', (t) => {
  const text = `# file: a\\012b\\134
user.b=0x32
security.capability=0x01

# file: ./Gehäuse
user.a=0x

`;
  t.deepEqual(
    [...parseGetfattr(text)],
    [
      ['a\nb\\', 'security.capability=0x01 user.b=0x32'],
      ['./Gehäuse', 'user.a=0x'],
    ],
  );
});
