import test from 'ava';
import type { ReadSample } from '../../../../scripts/bench/reads/results.ts';
import { describeSummary, summarize, svgOfSummary } from '../../../../scripts/bench/reads/summary.ts';

/** Two rounds, of which the second is on a busier machine. */
function samples(gain: number): readonly ReadSample[] {
  const common = { options: '', requestKib: 1024, readers: 1 };
  return [1, 0.5].flatMap((speed) => [
    { ...common, delayMs: 0, readAheadKib: 128, mibPerSecond: 300 * speed },
    { ...common, delayMs: 0, readAheadKib: 4096, mibPerSecond: 310 * speed },
    { ...common, delayMs: 10, readAheadKib: 128, mibPerSecond: 30 * speed },
    { ...common, delayMs: 10, readAheadKib: 4096, mibPerSecond: 30 * gain * speed },
    { ...common, delayMs: 10, readAheadKib: 4096, options: 'nconnect=4', mibPerSecond: 99 * speed },
  ]);
}

test('the gain is that on the longest link, round by round', (t) => {
  t.like(summarize(samples(3), 2, 4096), { gain: 3, isReached: true });
  t.like(summarize(samples(1.2), 2, 4096), { gain: 1.2, isReached: false });
});

test('the tables have a column for each read-ahead, and a row for each list of options', (t) => {
  const text = describeSummary(summarize(samples(3), 2, 4096));
  t.regex(text, /^round trip +readers +request +128 +4096$/m);
  t.regex(text, /^ *10 ms +1 +1024 KiB +23 +68$/m);
  t.regex(text, /^ *vers=4\.2,nconnect=4 +74$/m);
  t.regex(text, /^ *vers=4\.2 +233 +68$/m);
  t.regex(text, /^reached: .* 10 ms: 4096 KiB as a multiple of 128 KiB: 3\.00 \(at least 1\.3\)$/m);
});

test('the plot has a line for each link, over the read-aheads that were measured, for light and dark', (t) => {
  const svg = svgOfSummary(summarize(samples(3), 2, 4096));
  for (const words of ['>128<', '>4096<', 'one reader, no delay', 'one reader, 10 ms away', 'KiB<'])
    t.true(svg.includes(words), words);
  t.is(svg.match(/<polyline/g)?.length, 2);
  t.true(svg.includes('prefers-color-scheme: dark'));
});
