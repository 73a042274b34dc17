import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { offFileState, removeOffFile } from '../../../src/node/off-file.ts';

const home = mkdtempSync(`${tmpdir()}/off-file-`);
test.after.always(() => rmSync(home, { recursive: true }));
const inHome = (name: string) => mkdtempSync(`${home}/${name}-`);

const stateOf = (path: string) => offFileState(path) ?? '';

test('what is as it was is removed; what has changed since stays', (t) => {
  const path = `${inHome('file')}/disabled`;
  writeFileSync(path, 'a');
  const before = stateOf(path);
  removeOffFile(path, before);
  t.false(existsSync(path));
  removeOffFile(path, before);
  writeFileSync(path, 'b');
  removeOffFile(path, 'something else');
  t.is(readFileSync(path, 'utf8'), 'b');
});

test('a directory of the name is removed, and one that is not empty is named and stays', (t) => {
  const path = `${inHome('directory')}/disabled`;
  mkdirSync(path);
  removeOffFile(path, stateOf(path));
  t.false(existsSync(path));
  mkdirSync(path);
  writeFileSync(`${path}/notes`, '');
  t.throws(() => removeOffFile(path, stateOf(path)), { message: /is a directory with something in it/ });
  t.deepEqual(readdirSync(path), ['notes']);
});

test('what a killed run has left is in nobody’s way', (t) => {
  const path = `${inHome('killed')}/disabled`;
  mkdirSync(`${path}.removed`);
  writeFileSync(path, 'a');
  removeOffFile(path, stateOf(path));
  t.false(existsSync(path) || existsSync(`${path}.removed`));
});

/** Each turn writes a new file as `disable` does, at the very moment that the other side removes the old one. */
const disabling = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { renameSync, writeFileSync } = require('node:fs');
  const { path, turns, shared } = workerData;
  const turn = new Int32Array(shared);
  for (let done = 0; done < turns; done += 1) {
    writeFileSync(path + '.new', 'new');
    Atomics.add(turn, 1, 1);
    Atomics.notify(turn, 1);
    while (Atomics.load(turn, 0) <= done);
    renameSync(path + '.new', path);
    Atomics.add(turn, 1, 1);
    Atomics.notify(turn, 1);
  }`;

test('a disable at the very moment of the removal has the last word', async (t) => {
  const path = `${inHome('race')}/disabled`;
  const turns = 1500;
  const shared = new SharedArrayBuffer(8);
  const turn = new Int32Array(shared);
  const worker = new Worker(disabling, { eval: true, workerData: { path, turns, shared } });
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  const waitFor = (count: number) => {
    for (let seen = Atomics.load(turn, 1); seen < count; seen = Atomics.load(turn, 1))
      Atomics.wait(turn, 1, seen);
  };
  let lost = 0;
  for (let done = 0; done < turns; done += 1) {
    writeFileSync(path, 'old');
    const before = stateOf(path);
    waitFor(2 * done + 1);
    Atomics.add(turn, 0, 1);
    // The two meet at another point in each turn.
    for (let spin = 0; spin < (done % 60) * 40; spin += 1);
    removeOffFile(path, before);
    waitFor(2 * done + 2);
    if (!existsSync(path) || readFileSync(path, 'utf8') !== 'new') lost += 1;
    rmSync(path, { force: true });
  }
  await ended;
  t.is(lost, 0);
});
