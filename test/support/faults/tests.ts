import type { TestFn } from 'ava';
import type { EnterMode } from '../node/enter-mode.ts';
import { randomNumbers } from '../random.ts';
import { describeFinding } from './finding.ts';
import { injectFaults, type Subject, subjects } from './subjects.ts';

const seed = 11;
/** By title: about as many as a minute allows for all of them. */
const maximum: Readonly<Record<string, number>> = {
  'nfs mounts': 240,
  'nfs fails': 300,
  'glusterfs mounts': 130,
  'glusterfs fails': 130,
  'glusterfs mounts with a read-ahead, where /sys is read-only': 60,
  'nfs with Kerberos fails': 25,
  'nfs with TLS fails': 15,
  prepare: 28,
  'volume publish': 30,
  'volume unpublish': 30,
  'volume unstage': 15,
  'volume stats': 15,
};

/**
 * System calls fail, one in each run: a part of what `npm run faults` does, the same each time. A success has its
 * mount, a failure leaves nothing and says why, whatever it was that failed.
 */
export function testFaults(test: TestFn, enter: EnterMode): void {
  // What is done to a volume, or before its mount, has little to do with the way by which it is mounted.
  const isForOneWay = ({ title }: Subject) => /^volume| with /.test(title);
  for (const subject of subjects.filter((one) => enter === 'attach' || !isForOneWay(one))) {
    test.serial(`${enter}, ${subject.title}: whatever call fails, nothing is wrong`, async (t) => {
      t.timeout(600_000);
      const sample = { random: randomNumbers(seed), maximum: maximum[subject.title] ?? 0 };
      const { injected, wrong } = await injectFaults(subject, enter, sample);
      t.log(`${injected} injected, ${wrong.length} wrong`);
      t.deepEqual(wrong.map(describeFinding), []);
      t.true(injected > 3, 'it was tried');
    });
  }
}
