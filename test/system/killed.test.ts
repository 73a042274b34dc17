import test from 'ava';
import { playKill } from '../support/callers/kills.ts';
import { kindsHere, ScratchPlace, usedBefore } from '../support/callers/mounting-place.ts';
import { Outcomes } from '../support/callers/outcomes.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import { randomNumbers } from '../support/random.ts';

/** The front is killed at moments by chance: a part of what `npm run soak:kills` does, at the same ones each time. */
const seed = 3;
const kills = { nfs: 14, glusterfs: 8 } as const;

for (const enter of enterModes) {
  for (const kind of kindsHere) {
    test.serial(
      `${enter}, ${kind.fstype}: a call that is killed leaves nothing, and the next one succeeds`,
      async (t) => {
        t.timeout(600_000);
        const random = randomNumbers(seed);
        await using place = await ScratchPlace.start(kind, enter);
        const before = await usedBefore(place);
        const outcomes = new Outcomes();
        for (let kill = 0; kill < kills[kind.fstype]; kill += 1)
          outcomes.add(await playKill(place, random, before));
        t.log(outcomes.lines.join('\n'));
        t.deepEqual(outcomes.wrong, []);
        t.false(outcomes.has('other'));
      },
    );
  }
}
