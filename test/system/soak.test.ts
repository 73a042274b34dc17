import test from 'ava';
import { mounterExecutable } from '../../scripts/paths.ts';
import { describeSoak, soakFaults } from '../../scripts/soak/report.ts';
import { runSoak } from '../../scripts/soak/run.ts';

/** Half a minute of what `npm run soak` does. */

test('mounts and unmounts beside prepares and a living volume: nothing is left, and nothing grows', async (t) => {
  t.timeout(600_000);
  const report = await runSoak({ executable: mounterExecutable, enter: 'chroot', cycles: 100, seconds: 30 });
  t.log(describeSoak(report));
  t.deepEqual(soakFaults(report), []);
  t.true(report.cycles > 5 && report.prepares > 0);
});
