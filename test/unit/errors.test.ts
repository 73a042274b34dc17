import test from 'ava';
import { formatError, MounterError, printable, printableLines } from '../../src/errors.ts';
import { asMounterError } from '../../src/host/system-error.ts';

/** What stderr, and so a Pod's event and an operator's terminal, gets. */

const error = (details: Partial<ConstructorParameters<typeof MounterError>[1]>, message = 'it failed') =>
  formatError(new MounterError(message, { status: 32, ...details }));

test('subject and message, the helper’s words, the hint: each on lines of its own', (t) => {
  t.is(error({}), 'mounter: it failed\n');
  t.is(
    error({ subject: '/m', helperOutput: 'mount.nfs: one\nmount.nfs: two', hint: 'see to it' }),
    'mounter: /m: it failed\nmount.nfs: one\nmount.nfs: two\nhint: see to it\n',
  );
});

test('nothing that a terminal obeys, whoever wrote it, and no line that is not ours', (t) => {
  const evil = '\x1b[2J\x9b31m\r\b\x00\x7f\u202egpj\u2066\u2028';
  const shown = error(
    { subject: `a${evil}\nhint: rm`, helperOutput: `said ${evil}\tx\nhint?`, hint: evil },
    evil,
  );
  t.notRegex(shown, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/);
  t.deepEqual(
    shown.split('\n').map((line) => line.slice(0, 8)),
    ['mounter:', 'said \\x1', 'hint?', 'hint: \\x', ''],
  );
  t.is(printable('é💾\u200fx'), 'é💾\\u200fx');
  t.is(printableLines('a\tb\n\rc'), 'a\tb\n\\x0dc');
});

test('a name of 100 kB is shown by its two ends, a path of any length that there is whole', (t) => {
  const path = `/${'p'.repeat(4095)}`;
  t.true(error({ subject: path }).includes(path));
  const shown = error({ subject: `/begin${'x'.repeat(100_000)}end` }, 'y'.repeat(100_000));
  t.true(shown.length < 5000, `${shown.length}`);
  t.regex(shown, /^mounter: \/beginx+…\(98009 characters\)…x+end: y+…\(98000 characters\)…y+\n$/);
  t.true(error({ subject: '💾'.repeat(20_000) }).isWellFormed());
});

test('what the node has run out of is no bug of ours; what nobody foresaw is', (t) => {
  const failure = (code: string) =>
    asMounterError(
      Object.assign(new Error(`${code}: it failed, open '/f'`), { code, syscall: 'open', path: '/f' }),
    );
  for (const code of ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EIO', 'ENOSPC', 'EDQUOT', 'EROFS']) {
    t.like(failure(code), { status: 2, subject: '/f', errorClass: 'node' }, code);
    t.truthy(failure(code).hint, code);
  }
  t.regex(failure('EMFILE').hint ?? '', /LimitNOFILE=/);
  for (const bug of [asMounterError(new TypeError('x')), asMounterError('x'), asMounterError(undefined)])
    t.like(bug, { status: 4, subject: 'internal error' });
});

test('whatever a system call is refused for, it is the node’s matter, with a hint, and no internal error', (t) => {
  for (const code of ['EBADF', 'EPERM', 'EINTR', 'ENXIO', 'EUNKNOWN']) {
    const error = Object.assign(new Error(`${code}: refused, fchown '/f'`), {
      code,
      syscall: 'fchown',
      path: '/f',
    });
    t.like(asMounterError(error), { status: 2, errorClass: 'node', subject: '/f', message: error.message });
    t.regex(asMounterError(error).hint ?? '', /dmesg/);
  }
});
