import test from 'ava';
import { table } from '../../../src/commands/tables.ts';

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
