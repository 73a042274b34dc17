import test from 'ava';
import fc from 'fast-check';
import { exposition } from '../../../src/record/exposition.ts';
import { mountMetrics } from '../../../src/record/mount-metrics.ts';
import { addCalls, noTotals } from '../../../src/record/totals.ts';
import { parseExposition } from '../../support/texts/exposition-grammar.ts';

test('whatever a label holds comes back as it was', (t) => {
  const text = fc.string({ unit: fc.constantFrom('\n', '"', '\\', 'n', 'a', ' ', '{', '}', ',', '=', '…') });
  fc.assert(
    fc.property(text, text, (label, help) => {
      const family = {
        name: 'x',
        help,
        type: 'gauge',
        samples: [{ labels: { a: label, b: 'c' }, value: 1.5 }],
      } as const;
      const [sample] = parseExposition(exposition([family]));
      t.deepEqual(
        [...(sample?.labels ?? [])],
        [
          ['a', label],
          ['b', 'c'],
        ],
      );
      t.is(sample?.value, 1.5);
    }),
  );
});

test('the mounts as counters and as a histogram', (t) => {
  const call = { command: 'mount', pid: 1, status: 0, msg: '', timeMs: 1_700_000_000_500 };
  const totals = addCalls(noTotals, [
    { ...call, fstype: 'nfs', totalMs: 8 },
    { ...call, fstype: 'nfs', totalMs: 120_000, errorClass: 'deadline' },
    { ...call, fstype: 'nfs', totalMs: 30, errorClass: 'access-denied' },
    { ...call, fstype: 'nfs', totalMs: 3, errorClass: 'access-denied', isRemembered: true },
    { ...call, fstype: 'glusterfs', totalMs: 90 },
  ]);
  const text = exposition(mountMetrics(totals));
  const samples = parseExposition(text);
  t.true(text.includes('mounter_mounts_total{fstype="nfs",result="failure",class="deadline"} 1\n'));
  t.true(text.includes('mounter_mount_duration_seconds_bucket{fstype="nfs",result="success",le="0.01"} 1\n'));
  t.true(text.includes('mounter_mount_duration_seconds_bucket{fstype="nfs",result="failure",le="110"} 2\n'));
  t.true(text.includes('mounter_mount_duration_seconds_count{fstype="nfs",result="failure"} 3\n'));
  t.true(text.includes('mounter_remembered_failures_total{fstype="nfs",class="access-denied"} 1\n'));
  t.true(text.includes('mounter_last_failure_timestamp_seconds 1700000000.5\n'));
  t.is(samples.filter(({ name }) => name === 'mounter_mounts_total').length, 4);
});

test('a node on which nothing was mounted yet has no samples of mounts', (t) => {
  t.is(exposition(mountMetrics(noTotals)), '');
});
