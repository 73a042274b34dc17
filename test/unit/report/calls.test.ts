import test from 'ava';
import type { RecordedCall } from '../../../src/record/parse.ts';
import { noTotals } from '../../../src/record/totals.ts';
import { callsReport } from '../../../src/report/calls.ts';

const at = Date.parse('2026-01-31T12:00:00Z');

function call(index: number, more: Partial<RecordedCall> = {}): RecordedCall {
  const about = { fstype: 'nfs', source: 'srv:/x', target: `/var/lib/kubelet/pods/${index}`, pid: 1 };
  return {
    command: 'mount',
    ...about,
    timeMs: at + index * 1000,
    totalMs: index + 1,
    status: 0,
    msg: 'mounted',
    ...more,
  };
}

const failed = (index: number, errorClass: RecordedCall['errorClass']) =>
  call(index, { status: 32, errorClass, msg: `${errorClass} ${index}` });

test('of 10,000 calls the last are shown, and what failed before them', (t) => {
  const calls = Array.from({ length: 10_000 }, (_, index) =>
    index % 100 === 0 ? failed(index, 'access-denied') : call(index),
  );
  const report = callsReport({ totals: noTotals, unreadBytes: 0, calls }, Number.NEGATIVE_INFINITY);
  t.deepEqual([report.total, report.shown.length, report.leftOut], [10_000, 200, 9800]);
  t.is(report.shown.at(-1)?.target, '/var/lib/kubelet/pods/9999');
  t.true(report.shown.slice(0, 50).every(({ errorClass }) => errorClass === 'access-denied'));
  t.deepEqual(
    report.shown.map(({ time }) => time),
    report.shown.map(({ time }) => time).toSorted(),
  );
  t.deepEqual(
    [report.activity.length, report.activity.reduce((sum, { succeeded }) => sum + succeeded, 0)],
    [48, 9900],
  );
});

test('durations by nearest rank, failures by class, and only those of the time that was asked for', (t) => {
  const calls = [
    failed(-5000, 'stale'),
    ...Array.from({ length: 100 }, (_, index) => call(index)),
    failed(100, 'no-route'),
    failed(101, 'access-denied'),
    failed(102, 'no-route'),
    call(103, { command: 'prepare', fstype: undefined, totalMs: 9999 }),
  ];
  const report = callsReport({ totals: noTotals, unreadBytes: 0, calls }, at);
  t.is(report.total, 104);
  const [success] = report.durations;
  t.deepEqual(success, {
    fstype: 'nfs',
    result: 'success',
    count: 100,
    p50: 50,
    p90: 90,
    p99: 99,
    maximum: 100,
  });
  t.deepEqual(
    report.failures.map(({ class: name, count, message }) => [name, count, message]),
    [
      ['no-route', 2, 'no-route 102'],
      ['access-denied', 1, 'access-denied 101'],
    ],
  );
  // Of all that there was.
  t.is(report.ever.find((one) => one.class === 'stale')?.count, 1);
});

test('one call, and none', (t) => {
  t.deepEqual(callsReport({ totals: noTotals, unreadBytes: 0, calls: [] }, 0).activity, []);
  const one = callsReport({ totals: noTotals, unreadBytes: 0, calls: [call(0)] }, 0);
  t.deepEqual(one.activity, [{ from: '2026-01-31T12:00:00.000Z', succeeded: 1, failed: 0 }]);
});

test('what another hand wrote into the record is cut, and no step that is no time is shown', (t) => {
  const long = 'é'.repeat(100_000);
  const steps = { a: 1, b: 'x', c: Number.NaN, [long]: 2 } as unknown as Record<string, number>;
  const odd = call(0, {
    ...{
      source: long,
      target: long,
      options: long,
      msg: long,
      hint: long,
      helperOutput: long,
      fstype: long,
      steps,
    },
    timeMs: 1e300,
    arguments: Array.from({ length: 1000 }, () => long),
  });
  const { shown } = callsReport({ totals: noTotals, unreadBytes: 0, calls: [odd] }, 0);
  t.true(JSON.stringify(shown).length < 20_000);
  t.is(Object.keys(shown[0]?.steps ?? {}).length, 2);
  t.is(shown[0]?.time, '-');
});
