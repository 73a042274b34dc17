import { globSync, readFileSync } from 'node:fs';
import test from 'ava';
import { suites } from '../../../scripts/suites.ts';
import { isLongRun } from '../../support/long-run.ts';

test('what has rows or rounds for a long run alone is in a suite for that', (t) => {
  t.false(isLongRun);
  const shortened = globSync('test/{system,vm}/**/*.test.ts').filter((file) =>
    readFileSync(file, 'utf8').includes("/support/long-run.ts'"),
  );
  const inLongRuns = suites.flatMap(({ files, environment }) =>
    environment?.LONG_RUN === 'yes' ? files : [],
  );
  t.deepEqual(shortened.sort(), inLongRuns.toSorted());
});
