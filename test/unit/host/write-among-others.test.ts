import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'ava';
import { writeAmongOthers } from '../../../src/host/write-among-others.ts';

test('what a killed writer has left goes; what a stranger has called so keeps nobody from writing', (t) => {
  const directory = mkdtempSync(`${tmpdir()}/among-`);
  const path = `${directory}/page.html`;
  writeFileSync(`${path}.new.999999998`, 'half');
  mkdirSync(`${path}.new.999999999`);
  writeAmongOthers(path, 'whole', 0o600);
  t.is(readFileSync(path, 'utf8'), 'whole');
  t.deepEqual(readdirSync(directory).sort(), ['page.html', 'page.html.new.999999999']);
  rmSync(directory, { recursive: true });
});
