import test from 'ava';
import { ProgressLine } from '../../../src/host/progress-line.ts';

function line(columns: number | undefined) {
  const clock = { now: 0 };
  let text = '';
  const shown = new ProgressLine(
    (more) => {
      text += more;
    },
    columns,
    () => clock.now,
  );
  return { shown, clock, text: () => text };
}

test('a pipe has a line every 10 s, and none for what is over before', (t) => {
  const { shown, clock, text } = line(undefined);
  for (clock.now = 0; clock.now < 35_000; clock.now += 100) shown.show(`at ${clock.now / 1000} s`);
  shown.end();
  t.is(text(), 'at 10 s\nat 20 s\nat 30 s\n');
});

test('a line that was said counts: the next comes 10 s after it', (t) => {
  const { shown, clock, text } = line(undefined);
  clock.now = 9_000;
  shown.say('said');
  clock.now = 11_000;
  shown.show('too soon');
  clock.now = 19_000;
  shown.show('in time');
  t.is(text(), 'said\nin time\n');
});

test('a terminal has one line, cut to its width, which makes way for what is said, and is gone at the end', (t) => {
  const { shown, clock, text } = line(10);
  shown.show('0123456789');
  clock.now = 50;
  shown.show('not yet');
  shown.say('said');
  shown.show('now');
  shown.end();
  t.is(text(), '\r012345678\x1b[K\r\x1b[Ksaid\n\rnow\x1b[K\r\x1b[K');
});

test('what does not say how far it is has its seconds counted', async (t) => {
  let text = '';
  const shown = new ProgressLine((more) => {
    text += more;
  }, 80);
  shown.begin('working');
  await new Promise((resolve) => setTimeout(resolve, 3300));
  shown.end();
  t.regex(text, /^(\rworking: [2-9] s\x1b\[K)+\r\x1b\[K$/);
});
