import test from 'ava';
import { table, termList, wrapped } from '../../src/columns.ts';

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
