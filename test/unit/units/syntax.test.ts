import test from 'ava';
import { execa } from 'execa';
import { MounterError } from '../../../src/errors.ts';
import { commandLine, plain, quoted, shellLine } from '../../../src/units/syntax.ts';

for (const [what, word, expected] of [
  ['a space', 'a b', '"a b"'],
  ['a quote and a backslash', 'a"b\\c', '"a\\"b\\\\c"'],
  ['a specifier', '100%i', '"100%%i"'],
  ['nothing', '', '""'],
] as const) {
  test(`systemd reads back a word with ${what}`, (t) => t.is(quoted(word), expected));
}

test('a dollar is a dollar in arguments, and needs no help in the path of a program', (t) => {
  t.is(commandLine(['/opt/$a', '$HOME', ';']), '"/opt/$a" "$$HOME" ";"');
});

test('a newline would be a line of the unit: refused, and shown', (t) => {
  const error = t.throws(() => plain('/home\nExecStart=/bin/evil'), { instanceOf: MounterError });
  t.is(error?.status, 1);
});

test('the shell reads back every word', async (t) => {
  const words = ["it's", 'a b', '$HOME', '*', '', '\\', '/plain'];
  const { stdout } = await execa('sh', ['-c', shellLine(['printf', '[%s]', ...words])]);
  t.is(stdout, words.map((word) => `[${word}]`).join(''));
});
