import test from 'ava';
import { describeFinding } from '../support/faults/finding.ts';
import { injectFaults, subjects } from '../support/faults/subjects.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import { randomNumbers } from '../support/random.ts';

/**
 * System calls fail, one in each run: a part of what `npm run faults` does, in the same order each time. A success
 * has its mount, a failure leaves nothing and says why, whatever it was that failed.
 */
const seed = 11;
/** For each of them, with the making of its node: all together take less than 3 minutes. */
const milliseconds = 15_000;

for (const enter of enterModes) {
  for (const subject of subjects) {
    test.serial(`${enter}, ${subject.title}: whatever call fails, nothing is wrong`, async (t) => {
      t.timeout(150_000);
      const deadline = performance.now() + milliseconds;
      const sample = { random: randomNumbers(seed), maximum: Number.POSITIVE_INFINITY, deadline };
      const { injected, wrong } = await injectFaults(subject, enter, sample);
      t.log(`${injected} injected, ${wrong.length} wrong`);
      t.deepEqual(wrong.map(describeFinding), []);
      t.true(injected > 3, 'it was tried');
    });
  }
}
