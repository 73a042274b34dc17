import test from 'ava';
import { columnsOf, shortened, table, termList, wrapped } from '../../src/columns.ts';

test('columns are aligned, the last one is not padded', (t) => {
  t.is(
    table([
      ['A', 'LONG', 'Z'],
      ['longer', 'b', 'end'],
    ]),
    'A       LONG  Z\nlonger  b     end\n',
  );
});

test('control characters are shown, and counted as shown', (t) => {
  t.is(
    table([
      ['a\n\u001b[31m', 'x'],
      ['b', 'y'],
    ]),
    'a\\x0a\\x1b[31m  x\nb              y\n',
  );
});

test('no rows, and rows of different lengths', (t) => {
  t.is(table([]), '');
  t.is(table([['a'], ['b', 'c']]), 'a\nb  c\n');
});

test('the last column goes on below itself where a terminal would break the line', (t) => {
  const rows = [['ok', `${'word '.repeat(9)}end`]];
  t.is(table(rows, 40), `ok  ${'word '.repeat(6)}word\n    word word end\n`);
  t.is(table(rows), `ok  ${'word '.repeat(9)}end\n`, 'a pipe has whole lines');
  t.is(table([['a'.repeat(30), 'two words']], 40), `${'a'.repeat(30)}  two words\n`, 'no room for it');
});

test('a text in lines, and a word that is longer than a line', (t) => {
  t.deepEqual(wrapped('', 10), ['']);
  t.deepEqual(wrapped('one two three', 8), ['one two', 'three']);
  t.deepEqual(wrapped('a verylongword b', 6), ['a', 'verylongword', 'b']);
});

test('letters of two columns are counted as two, marks on letters as none', (t) => {
  t.is(columnsOf('漢字 ABC'), 8);
  t.is(columnsOf('ｶﾅ'), 2);
  t.is(columnsOf('e\u0301'), 1);
  t.is(
    table([
      ['漢字', 'x'],
      ['abc', 'y'],
    ]),
    '漢字  x\nabc   y\n',
  );
  t.deepEqual(wrapped('漢字 漢字 ab', 9), ['漢字 漢字', 'ab']);
  t.deepEqual(wrapped('漢字 漢字 ab', 8), ['漢字', '漢字 ab']);
  const name = `${'漢'.repeat(20)}-data`;
  for (let width = 12; width < 45; width += 1) {
    t.true(columnsOf(shortened(name, width)) <= width);
    t.true(columnsOf(shortened(name, width)) >= width - 2);
  }
});

test('a term that is too long stands above what it means', (t) => {
  t.is(
    termList(
      [
        ['short-term', 'one'],
        ['t'.repeat(30), 'two'],
      ],
      2,
    ),
    `  short-term  one\n  ${'t'.repeat(30)}\n${' '.repeat(14)}two\n`,
  );
});

const target =
  '/var/lib/kubelet/pods/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0/volumes/kubernetes.io~nfs/pv-data-7';
const volumes = [
  ['STATE', 'SOURCE', 'TARGET'],
  ['alive', 'nfs.example:/export/a/very/long/path', target],
];

test('names are shortened in the middle, the longest first, as much as it takes', (t) => {
  for (const width of [60, 80, 100]) {
    const lines = table(volumes, width, { names: [1, 2] })
      .trimEnd()
      .split('\n');
    t.true(
      lines.every((line) => line.length <= width),
      lines.join('\n'),
    );
    t.regex(
      lines[1] ?? '',
      /^alive {2}nfs\.\S*… ?\S* +\/va\S*…\S*pv-data-7$|^alive +nfs\S+ +\/va\S*…\S*pv-data-7$/,
    );
  }
  t.is(table(volumes, 500, { names: [1, 2] }), table(volumes));
  t.is(table(volumes, undefined, { names: [1, 2] }), table(volumes));
});

test('of a name the end stays longer, and nothing is shortened that fits', (t) => {
  t.is(shortened('abcdefghij', 7), 'ab…ghij');
  t.is(shortened('abcdefghij', 10), 'abcdefghij');
  t.is(shortened('', 0), '');
});

test('colours are for terminals: a pipe has none', (t) => {
  t.is(table([['ok', 'x']], undefined, { colourOf: () => 'green' }), 'ok  x\n');
});
