import test from 'ava';
import { SuiteOutputs } from '../../../scripts/suite-output.ts';

function collect() {
  const written: string[] = [];
  return { written, outputs: new SuiteOutputs((text) => text !== '' && written.push(text)) };
}

test('the first output comes as it is written, the others in their order when those before have ended', (t) => {
  const { written, outputs } = collect();
  const [a, b, c] = [outputs.open(), outputs.open(), outputs.open()];
  a.write('a1\n');
  c.write('c1\n');
  b.write('b1\n');
  t.deepEqual(written, ['a1\n']);
  c.end();
  a.write('a2\n');
  t.deepEqual(written, ['a1\n', 'a2\n']);
  a.end();
  b.write('b2\n');
  t.deepEqual(written, ['a1\n', 'a2\n', 'b1\n', 'b2\n']);
  b.end();
  t.deepEqual(written.slice(4), ['c1\n']);
  outputs.open().write('d1\n');
  t.deepEqual(written.slice(5), ['d1\n']);
});

test('whole lines, however the output is cut; its end may be none', (t) => {
  const { written, outputs } = collect();
  const output = outputs.open();
  for (const piece of ['ok 1 -', ' a\nok 2', ' - b\n', 'end']) output.write(piece);
  t.deepEqual(written, ['ok 1 - a\n', 'ok 2 - b\n']);
  output.end();
  t.is(written.join(''), 'ok 1 - a\nok 2 - b\nend');
});

test('what waits for its turn is not lost when all ends', (t) => {
  const { written, outputs } = collect();
  outputs.open().write('a');
  outputs.open().write('b');
  outputs.flushAll();
  t.deepEqual(written, ['a', 'b']);
});
