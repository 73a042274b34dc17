import test from 'ava';
import { TapCount } from '../../../scripts/tap.ts';

function count(text: string, status: number | undefined, pieceLength = 7) {
  const tap = new TapCount();
  for (let at = 0; at < text.length; at += pieceLength) tap.add(text.slice(at, at + pieceLength));
  const { passed, failures } = tap.end(status);
  return { passed, failed: failures.length };
}

test('counts what passed and what failed, however the output is cut', (t) => {
  const text = 'TAP version 13\nok 1 - a\nnot ok 2 - b\n  ---\n  ok 3 indented\n  ...\nok 3 - c\n1..3';
  for (const length of [1, 7, 1000]) t.deepEqual(count(text, 1, length), { passed: 2, failed: 1 });
});

test('a runner that failed with no failed test counts as a failure', (t) => {
  t.deepEqual(count('ok 1 - a\n', 1), { passed: 1, failed: 1 });
  t.deepEqual(count('ok 1 - a\n', undefined), { passed: 1, failed: 1 });
});

test('of a failure it keeps the title and the beginning of the details', (t) => {
  const more = Array.from({ length: 50 }, (_, i) => `    line ${i}\n`).join('');
  const text = `ok 1 - a\n  ---\n  x\n  ...\nnot ok 2 - b\n# a log\n  ---\n    message: no\n  ...\nok 3 - c\n  ---\n  x\n  ...\nnot ok 4 - d\n  ---\n${more}  ...\n`;
  const tap = new TapCount();
  tap.add(text);
  const [b, d] = tap.failures;
  t.deepEqual(b, { title: 'b', details: ['    message: no'] });
  t.is(d?.title, 'd');
  t.is(d?.details.length, 16);
});

test('a run without any test is a failure', (t) => {
  t.deepEqual(count('1..0\n', 0), { passed: 0, failed: 1 });
});
