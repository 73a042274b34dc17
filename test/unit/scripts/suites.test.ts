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

test('the tests of one file that need a node run in turn', (t) => {
  const files = globSync('test/system/*.test.ts');
  t.true(files.length > 50);
  t.deepEqual(
    files.filter((file) => /(^|[^.\w])test\(/m.test(readFileSync(file, 'utf8'))),
    [],
    'it has test( where test.serial( is the rule: scripts/test.ts says why',
  );
});
