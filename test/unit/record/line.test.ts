import test from 'ava';
import fc from 'fast-check';
import { errorClasses } from '../../../src/errors.ts';
import { beginningOf, endOf, maximumLineBytes } from '../../../src/record/bounded.ts';
import { type CallRecord, recordLine } from '../../../src/record/line.ts';
import { pinoLine } from '../../../src/record/log.ts';
import { parseRecord } from '../../../src/record/parse.ts';

const time = new Date('2026-01-31T12:00:00.000Z');

/** Text as callers and helpers may send it: control characters, pairs to be cut in halves, quotes, very long. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('\n', '\0', '\x7f', '\x9b', '\u2028', '"', '\\', 'a', 'é', '…', '𝄞'),
  }),
  fc.nat(70_000).map((length) => '\x01'.repeat(length)),
  fc.nat(70_000).map((length) => '\u2029'.repeat(length)),
  fc.nat(10_000).map((length) => `a${'𝄞'.repeat(length)}`),
);

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const anyRecord: fc.Arbitrary<CallRecord> = fc.record({
  command: anyText,
  calledAs: fc.constantFrom(undefined, 'mount.nfs'),
  fstype: optional(anyText),
  source: optional(anyText),
  target: optional(anyText),
  options: optional(anyText),
  steps: optional(fc.constant({ checkTarget: 0.25, runHelper: 12 })),
  totalMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  status: fc.nat(255),
  wasMounted: optional(fc.boolean()),
  errorClass: optional(fc.constantFrom(...errorClasses)),
  subject: optional(anyText),
  hint: optional(anyText),
  helperOutput: optional(anyText),
  msg: anyText,
});

/** All but the time, which pino takes by itself. */
const withoutTime = (line: string) => line.replace(/"time":"[^"]*"/, '"time":""');

test('our line is the one that pino writes, whatever is in it', (t) => {
  fc.assert(
    fc.property(anyRecord, (record) => {
      t.true(withoutTime(recordLine(record, time, 321)) === withoutTime(pinoLine(record, 321)));
    }),
    { numRuns: 200 },
  );
});

test('a line is one line of at most 16 KiB, without control characters, and valid JSON', (t) => {
  fc.assert(
    fc.property(anyRecord, (record) => {
      const line = recordLine(record, time, 4_194_304);
      t.true(Buffer.byteLength(line) <= maximumLineBytes);
      t.notRegex(line.slice(0, -1), /[\x00-\x1f\x7f-\x9f\u2028\u2029]/);
      t.true(line.endsWith('}\n'));
      const [call] = parseRecord(line);
      t.is(call?.timeMs, time.getTime());
      t.is(call?.errorClass, record.errorClass);
    }),
    { numRuns: 200 },
  );
});

test('every field at its worst still fits', (t) => {
  const worst = '\x01'.repeat(100_000);
  const record: CallRecord = {
    command: worst,
    calledAs: 'mount.glusterfs',
    fstype: worst,
    source: worst,
    target: worst,
    options: worst,
    steps: { checkHelper: 1234567.89, checkDevice: 1234567.89, runHelper: 1234567.89 },
    totalMs: 1234567.89,
    status: 255,
    wasMounted: false,
    errorClass: 'connection-refused',
    subject: worst,
    hint: worst,
    helperOutput: worst,
    msg: worst,
  };
  t.true(Buffer.byteLength(recordLine(record, time, 4_194_304)) <= maximumLineBytes);
  const other = { command: worst, arguments: Array(50).fill(worst), totalMs: 1, status: 32, msg: worst };
  t.true(
    Buffer.byteLength(recordLine({ ...other, hint: worst, helperOutput: worst }, time, 1)) <=
      maximumLineBytes,
  );
});

test('of what a helper said the last words are kept, of all else the first', (t) => {
  t.is(endOf(`${'x'.repeat(100)}the end`, 20), `…${'x'.repeat(10)}the end`);
  t.is(beginningOf(`begin${'x'.repeat(100)}`, 20), `begin${'x'.repeat(12)}…`);
  t.is(beginningOf('x'.repeat(20), 20), 'x'.repeat(20));
});
