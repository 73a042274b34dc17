import test from 'ava';
import { describeHistory } from '../../../src/status/history.ts';

test('however many classes of failures there are, each line fits a terminal of 80 columns', (t) => {
  const failed = {
    usage: 9,
    'no-such-export': 7,
    'connection-refused': 2000,
    'version-not-offered': 100,
    'name-resolution': 3,
    'helper-missing': 1,
  };
  const counts = { succeeded: 3, failed, remembered: 2 };
  const text = describeHistory({
    lastHour: counts,
    lastDay: { succeeded: 3, failed: {}, remembered: 0 },
    lastFailure: null,
  });
  t.is(
    text,
    `MOUNTS     SUCCEEDED  FAILED
last hour  3          2120: usage 9, no-such-export 7, connection-refused 2000,
                      version-not-offered 100, name-resolution 3,
                      helper-missing 1
                      2 of them at once, as remembered from an earlier call
last day   3          0
`,
  );
  for (const line of text.split('\n')) t.true(line.length <= 80, line);
});

test('a narrow terminal gets narrow lines, and a pipe whole names', (t) => {
  const failed = { 'connection-refused': 2000, 'version-not-offered': 100 };
  const counts = { succeeded: 3, failed, remembered: 2 };
  const target = `/var/lib/kubelet/pods/${'0f1e2d3c-4b5a/'.repeat(6)}pvc-1`;
  const lastFailure = {
    time: '2026-01-02T03:04:05.678Z',
    errorClass: 'node',
    target,
    subject: target,
    message: 'the helper failed to mount it',
    hint: 'run mounter doctor to see what the node lacks, then mend that',
  };
  const history = { lastHour: counts, lastDay: counts, lastFailure } as never;
  const narrow = describeHistory(history, 60);
  for (const line of narrow.split('\n')) t.true(line.length <= 60, line);
  t.regex(narrow, /^last hour {2}3 {10}2100: connection-refused 2000,\n {22}version-not-offered 100\n/m);
  t.regex(narrow, /^ {14}\/var\S*…\S*pvc-1:$/m);
  t.true(describeHistory(history).includes(`${target}: the helper`));
});

test('the last failure names what it is about, beside the target', (t) => {
  const counts = { succeeded: 0, failed: {}, remembered: 0 };
  const lastFailure = {
    time: '2026-01-02T03:04:05.678Z',
    errorClass: 'bad-option',
    target: '/t',
    subject: 'x-mounter.readahead',
    message: 'there is no such option',
    hint: null,
  };
  const text = describeHistory({ lastHour: counts, lastDay: counts, lastFailure } as never);
  t.regex(text, /^ +\/t: x-mounter\.readahead: there is no such option$/m);
});
