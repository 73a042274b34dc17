import test from 'ava';
import fc from 'fast-check';
import type { ErrorClass } from '../../../src/errors.ts';
import { recordLine } from '../../../src/record/line.ts';
import { parseRecord, type RecordedCall } from '../../../src/record/parse.ts';
import { summarizeMounts } from '../../../src/record/summary.ts';
import { addCalls, noTotals } from '../../../src/record/totals.ts';
import { headOf, parseTotals, totalsText, unfoldedFrom } from '../../../src/record/totals-file.ts';

function callOf(fields: Partial<RecordedCall>): RecordedCall {
  return {
    command: 'mount',
    fstype: 'nfs',
    timeMs: 1000,
    pid: 1,
    totalMs: 20,
    status: 0,
    msg: 'm',
    ...fields,
  };
}

const anyCall = fc.record({
  fstype: fc.constantFrom(
    'nfs',
    'nfs4',
    'glusterfs',
    'NOT A TYPE',
    ...Array.from({ length: 30 }, (_, i) => `t${i}`),
  ),
  errorClass: fc.constantFrom<ErrorClass | undefined>(undefined, undefined, 'busy', 'deadline'),
  totalMs: fc.nat(200_000),
  timeMs: fc.nat(),
  isRemembered: fc.constantFrom(undefined, true),
  command: fc.constantFrom('mount', 'mount', 'prepare'),
});

test('folding in any pieces gives what folding at once gives', (t) => {
  fc.assert(
    fc.property(fc.array(anyCall, { maxLength: 60 }), fc.nat(60), (all, at) => {
      const calls = all.map(callOf);
      const whole = addCalls(noTotals, calls);
      const first = parseTotals(totalsText({ totals: addCalls(noTotals, calls.slice(0, at)), folded: null }));
      t.deepEqual(addCalls(first.totals, calls.slice(at)), whole);
      t.is(
        whole.mounts.reduce((sum, { count }) => sum + count, 0),
        calls.filter(({ command }) => command === 'mount').length,
      );
      t.true(new Set(whole.mounts.map(({ fstype }) => fstype)).size <= 13);
      for (const { buckets, count } of whole.mounts)
        t.is(
          buckets.reduce((a, b) => a + b),
          count,
        );
    }),
  );
});

test('a fake mount is none', (t) => {
  t.deepEqual(addCalls(noTotals, [callOf({ isFake: true })]), noTotals);
});

const line = (target: string) =>
  recordLine({ command: 'mount', target, totalMs: 1, status: 0, msg: 'mounted' }, new Date(5000), 9);

test('what other hands or a full disk left in the record hides no call', (t) => {
  const hostile = line('/with {"level":30 in it');
  const text = `garbage\n${line('/a').slice(0, 40)}${line('/b')}\0\0\n{"level":30}\n[1]\nnull\n${hostile}${line('/c').slice(0, -3)}`;
  t.deepEqual(
    parseRecord(text).map(({ target }) => target),
    ['/b', '/with {"level":30 in it'],
  );
});

test('a rotation that was broken off counts nothing twice, and late lines once', (t) => {
  const content = Buffer.from(line('/a') + line('/b'));
  const file = { totals: noTotals, folded: { head: headOf(content), bytes: content.length } };
  const read = parseTotals(totalsText(file));
  t.is(unfoldedFrom(content, read), content.length);
  t.is(unfoldedFrom(Buffer.concat([content, Buffer.from(line('/late'))]), read), content.length);
  t.is(unfoldedFrom(Buffer.from(line('/other') + line('/b') + line('/c')), read), 0);
});

for (const text of [undefined, '', '{}', 'null', '{"formatVersion":1,"bounds":[1],"totals":{}}']) {
  test(`totals that cannot be understood count for nothing: ${text}`, (t) => {
    t.deepEqual(parseTotals(text), { totals: noTotals, folded: null });
  });
}

test('the mounts of the last hour and day', (t) => {
  const now = Date.parse('2026-01-31T12:00:00Z');
  const ago = (minutes: number) => ({ timeMs: now - minutes * 60_000 });
  const calls = [
    callOf({ ...ago(3000), errorClass: 'stale' }),
    callOf({ ...ago(700), errorClass: 'stale', isRemembered: true }),
    callOf({
      ...ago(600),
      errorClass: 'busy',
      target: '/t',
      subject: 'proto',
      msg: 'is taken',
      hint: 'free it',
    }),
    callOf(ago(30)),
    callOf({ ...ago(20), command: 'prepare', errorClass: 'node' }),
    callOf(ago(10)),
  ];
  t.deepEqual(summarizeMounts(calls, now), {
    lastHour: { succeeded: 2, failed: {}, remembered: 0 },
    lastDay: { succeeded: 2, failed: { busy: 1, stale: 1 }, remembered: 1 },
    lastFailure: {
      time: '2026-01-31T02:00:00.000Z',
      errorClass: 'busy',
      isRemembered: false,
      source: null,
      target: '/t',
      subject: 'proto',
      message: 'is taken',
      hint: 'free it',
    },
  });
});
