import test from 'ava';
import { barText, fetchProgress } from '../../../src/image/fetch-progress.ts';

const blob = 'sha256:abc';
const resolved = {
  kind: 'resolved',
  digest: 'sha256:i',
  blobs: [{ digest: blob, size: 2e6 }],
  totalBytes: 2e6,
} as const;

function shown(columns: number | undefined): {
  readonly progress: ReturnType<typeof fetchProgress>;
  readonly text: () => string;
  readonly clock: { now: number };
} {
  let text = '';
  const clock = { now: 0 };
  const output = { out: () => {}, err: (more: string) => (text += more) };
  return { progress: fetchProgress(output, columns, false, () => clock.now), text: () => text, clock };
}

test('no terminal: a line for each layer, and why it is tried again', (t) => {
  const { progress, text } = shown(undefined);
  progress.report(resolved);
  progress.report({ kind: 'received', blob, bytes: 1e6, size: 2e6 });
  progress.report({ kind: 'retry', message: 'host: reset; again in 1 s' });
  progress.report({ kind: 'complete', blob, size: 2e6, isFromDisk: false });
  progress.report({ kind: 'complete', blob, size: 1e6, isFromDisk: true });
  progress.end();
  t.is(
    text(),
    'fetching sha256:i: 2.0 MB in 1 blobs\nhost: reset; again in 1 s\nfetched sha256:abc: 2.0 MB\nhad sha256:abc: 1.0 MB\n',
  );
});

test('what a server says in a message tells a terminal nothing', (t) => {
  const { progress, text } = shown(undefined);
  progress.report({ kind: 'retry', message: 'its certificate is of \x1b[2J\u009b2J\nforged' });
  t.is(text(), 'its certificate is of \\x1b[2J\\x9b2J\\x0aforged\n');
});

test('nothing to fetch: no word', (t) => {
  const { progress, text } = shown(undefined);
  progress.report({ kind: 'resolved', digest: 'sha256:i', blobs: [], totalBytes: 0 });
  progress.end();
  t.is(text(), '');
});

test('a terminal: a bar on one line, redrawn now and then, and gone at the end', (t) => {
  const { progress, text, clock } = shown(80);
  progress.report(resolved);
  for (clock.now = 0; clock.now < 1000; clock.now += 10)
    progress.report({ kind: 'received', blob, bytes: clock.now * 1000, size: 2e6 });
  t.is(text().split('\r').length - 1, 10);
  t.false(text().includes('\n'));
  progress.report({ kind: 'complete', blob, size: 2e6, isFromDisk: false });
  t.regex(text(), /\[#{40}\] 100 % {2}2\.0 of 2\.0 MB {2}2\.0 MB\/s\x1b\[K$/);
  progress.end();
  t.true(text().endsWith('\r\x1b[K'));
});

test('no terminal: every 10 s a line of how far it is, and how fast', (t) => {
  const { progress, text, clock } = shown(undefined);
  progress.report(resolved);
  for (clock.now = 0; clock.now <= 40_000; clock.now += 500)
    progress.report({ kind: 'received', blob, bytes: clock.now * 40, size: 2e6 });
  const line = (megabytes: string, percent: number) =>
    `fetched  ${percent} %  ${megabytes} of 2.0 MB  40.0 kB/s\n`;
  t.is(
    text(),
    `fetching sha256:i: 2.0 MB in 1 blobs\n${line('0.4', 20)}${line('0.8', 40)}${line('1.2', 60)}${line('1.6', 80)}`,
  );
});

test('what is unpacked is told once all has come, and of a file from the beginning', (t) => {
  const arriving = shown(80);
  arriving.progress.report(resolved);
  arriving.progress.report({ kind: 'received', blob, bytes: 1e6, size: 2e6 });
  arriving.progress.report({ kind: 'unpacked', bytes: 1e6, totalBytes: 2e6 });
  t.notRegex(arriving.text(), /unpacked/);
  const local = shown(80);
  local.progress.report({ kind: 'unpacked', bytes: 1e6, totalBytes: 2e6 });
  t.is(local.text(), '\runpacked  50 %  1.0 of 2.0 MB\x1b[K');
});

test('the bar fits the terminal', (t) => {
  for (const columns of [1, 10, 20, 30, 40, 80, 500])
    for (const [bytes, total] of [
      [0, 12e6],
      [6e6, 12e6],
      [13e6, 12e6],
    ] as const)
      t.true(barText(bytes, total, columns).length < Math.max(2, columns), String(columns));
  t.is(barText(6e6, 12e6, 36), '[#####     ]  50 %  6.0 of 12.0 MB');
  t.is(barText(6e6, undefined, 80), 'fetched 6.0 MB');
  t.is(barText(6e6, 12e6, 80, 1.5e6).slice(-33), ']  50 %  6.0 of 12.0 MB  1.5 MB/s');
});
