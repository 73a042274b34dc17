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
