import test from 'ava';
import { runStorms } from '../../scripts/bench/storm/run.ts';
import { describeStorm, faultsOf } from '../../scripts/bench/storm/show.ts';
import { mounterExecutable } from '../../scripts/paths.ts';

/** Hundreds of calls at once: all to a healthy server succeed, those to a dead one end, and nothing is left. */

test.serial('200 calls wait for a dead server: their class, their end, the memory they hold', async (t) => {
  t.timeout(600_000);
  const [report] = await runStorms(
    [{ name: '200 wait', healthy: 0, dead: 200, watchesMemory: true }],
    mounterExecutable,
  );
  if (report === undefined) return t.fail('no report');
  t.log(describeStorm(report));
  t.deepEqual(faultsOf(report), []);
  t.true((report.dead?.remembered ?? 0) > 100, 'one asks for many');
});

test.serial('500 calls to a healthy server, and 200 beside 200 to a dead one', async (t) => {
  t.timeout(900_000);
  const reports = await runStorms(
    [
      { name: '500 healthy', healthy: 500, dead: 0 },
      { name: '200 and 200', healthy: 200, dead: 200 },
    ],
    mounterExecutable,
  );
  for (const report of reports) {
    t.log(describeStorm(report));
    t.deepEqual(faultsOf(report), []);
  }
});
