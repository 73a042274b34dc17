import test from 'ava';
import { describeSoak, soakFaults } from '../../scripts/bench/soak/report.ts';
import { runSoak } from '../../scripts/bench/soak/run.ts';
import { mounterExecutable } from '../../scripts/paths.ts';
import { enterModes } from '../support/node/enter-mode.ts';

/** A part of what `npm run soak` does, for each way into the rootfs. */

for (const enter of enterModes) {
  test.serial(
    `mounts and unmounts beside prepares, ${enter}: nothing is left, and nothing grows`,
    async (t) => {
      t.timeout(600_000);
      const report = await runSoak({ executable: mounterExecutable, enter, cycles: 100, seconds: 20 });
      t.log(describeSoak(report));
      t.deepEqual(soakFaults(report), []);
      t.true(report.cycles >= 5 && report.prepares > 0);
    },
  );
}
