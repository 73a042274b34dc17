import { globSync } from 'node:fs';
import test from 'ava';
import { repository } from '../../../scripts/paths.ts';
import { partsOf, type Suite, suites } from '../../../scripts/suites.ts';

const isDivided = ({ guests }: Suite) => guests !== undefined;

test('each file of a suite that is divided among guests is in one part, and no part is without', (t) => {
  for (const suite of suites.filter(isDivided)) {
    const parts = partsOf(suite).map(({ files }) => files);
    t.deepEqual(parts.flat().sort(), globSync([...suite.files], { cwd: repository }).sort());
    t.is(parts.length, suite.guests ?? 1);
    t.true(parts.every(({ length }) => length > 0));
  }
});

test('one file is one part; what is not divided stays as it is', (t) => {
  const [divided] = suites.filter(isDivided);
  if (divided === undefined) return t.fail();
  const files = ['test/vm/nfs.test.ts'];
  t.deepEqual(partsOf({ ...divided, files }), [{ ...divided, files }]);
  for (const suite of suites.filter((one) => !isDivided(one))) t.deepEqual(partsOf(suite), [suite]);
});
