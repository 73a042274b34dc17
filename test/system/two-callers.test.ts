import test from 'ava';
import { kindsHere, sharedPlace } from '../support/callers/mounting-place.ts';
import { Outcomes } from '../support/callers/outcomes.ts';
import { describePair, pairs, playRound } from '../support/callers/two-callers.ts';
import { everyNth } from '../support/long-run.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import { randomNumbers } from '../support/random.ts';

/**
 * Two calls for one target: a part of what `npm run soak:callers` does, in the same way each time. NFS is that of a
 * stand-in; test/vm/two-callers.test.ts has the real one.
 */
const seed = 5;
const rounds = { nfs: 2, glusterfs: 1 } as const;

for (const [way, enter] of enterModes.entries()) {
  for (const [number, kind] of kindsHere.entries()) {
    const shared = sharedPlace(test, kind, enter);
    for (const pair of everyNth(3, pairs, (2 * way + number) % 3)) {
      test.serial(
        `${enter}, ${kind.fstype}, ${describePair(pair)}: mounted is what was said to be`,
        async (t) => {
          t.timeout(600_000);
          const random = randomNumbers(seed);
          const outcomes = new Outcomes();
          const { place, before } = await shared();
          for (let round = 0; round < rounds[kind.fstype]; round += 1)
            outcomes.add(await playRound(place, pair, random, before));
          t.log(outcomes.lines.join('\n'));
          t.deepEqual(outcomes.wrong, []);
        },
      );
    }
  }
}
