import test from 'ava';
import { usedBefore } from '../support/callers/mounting-place.ts';
import { describePair, pairs, playRound } from '../support/callers/two-callers.ts';
import { guestPlace, realNfs, takeSlowHelperAway } from '../support/guest/mounting-place.ts';
import { unmountAll } from '../support/guest/node.ts';
import { nfsServers } from '../support/guest/vm-node.ts';
import { everyNth } from '../support/long-run.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import { randomNumbers } from '../support/random.ts';

/** Two calls for one target, of real NFS: as test/system/two-callers.test.ts. */

const { server } = nfsServers(test);

const seed = 5;

test.afterEach.always(async () => {
  await unmountAll();
  await takeSlowHelperAway();
});

for (const [way, enter] of enterModes.entries()) {
  for (const [number, version] of (['4.2', '3'] as const).entries()) {
    test.serial(
      `${enter}, NFSv${version}, two calls that succeed, fail, are slow, terminated and killed: mounted is what was said to be`,
      async (t) => {
        t.timeout(170_000);
        const random = randomNumbers(seed);
        const place = await guestPlace(realNfs(server, version), enter);
        const before = await usedBefore(place);
        const wrong: string[] = [];
        for (const pair of everyNth(3, pairs, (2 * way + number) % 3)) {
          const round = await playRound(place, pair, random, before);
          const title = `${describePair(pair)}: ${round.outcome}`;
          t.log(title);
          wrong.push(...round.wrong.map((one) => `${title}: ${one}`));
        }
        t.deepEqual(wrong, []);
      },
    );
  }
}
