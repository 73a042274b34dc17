import test from 'ava';
import { Pace, SlownessError } from '../../../../src/image/registry/pace.ts';
import { networkPatience } from '../../../../src/image/registry/retry.ts';

const patience = { ...networkPatience, leastBytes: 1000, leastMs: 10_000, longestMs: 100_000 };

/** A body that comes in pieces: how many bytes, after how many ms. */
function bodyOf(pieces: readonly (readonly [bytes: number, waitedMs: number])[]): () => void {
  return () => {
    const pace = new Pace(patience);
    for (const [bytes, waitedMs] of pieces) pace.received(bytes, waitedMs);
  };
}
const times = (count: number, bytes: number, waitedMs: number) =>
  Array.from({ length: count }, () => [bytes, waitedMs] as const);

test('as slow as may be, for as long as may be', (t) => {
  t.notThrows(bodyOf(times(100, 100, 1000)));
  t.notThrows(bodyOf(times(10, 1000, 10_000)));
});

test('a short body in its own time, and a reader that takes its time', (t) => {
  t.notThrows(bodyOf(times(9, 1, 1000)));
  t.notThrows(bodyOf(times(1_000_000, 1, 0)));
});

test('too slow: it says how slow', (t) => {
  const message = '10 bytes/s (100 bytes in 10 s), where 1000 bytes in 10 s are the least';
  t.throws(bodyOf(times(10, 10, 1000)), { instanceOf: SlownessError, message });
  t.notThrows(bodyOf(times(9, 10, 1000)));
});

test('what came before does not count: a good beginning is no leave to drip', (t) => {
  t.throws(bodyOf([[1_000_000, 10_000], ...times(10, 1, 1000)]), {
    message: /^1 bytes\/s \(10 bytes in 10 s\)/,
  });
});

test('fast enough, and without an end', (t) => {
  t.throws(bodyOf(times(101, 1000, 1000)), { instanceOf: SlownessError, message: 'no end after 100 s' });
});

test('what a node goes by: 64 KiB in 30 s, given up within some minutes', (t) => {
  const { leastBytes, leastMs, idleMs, retries, longestMs } = networkPatience;
  t.deepEqual([leastBytes, leastMs], [65_536, 30_000]);
  t.true((retries + 1) * (leastMs + idleMs) <= 8 * 60_000);
  t.true(longestMs < Number.POSITIVE_INFINITY);
});
