import test from 'ava';
import { entriesOf, splitEntries } from '../../../../scripts/image/split.ts';
import { tarOf } from '../../../../scripts/rootfs/archive.ts';
import { completeTree, directory, type Entry, link } from '../../../../scripts/rootfs/entry.ts';

function file(path: string, bytes: number): Entry {
  return { kind: 'file', path, mode: 0o644, uid: 0, gid: 0, content: Buffer.alloc(bytes) };
}

const entries = completeTree([
  directory('a', 0o700, 7, 8),
  file('a/1', 100_000),
  file('a/2', 100_000),
  link('a/link', '/nowhere'),
  file('b/3', 100_000),
  file('b/4', 100_000),
]);

test('a tar of ours is read as it was written', async (t) => {
  t.deepEqual(await entriesOf(await tarOf(entries, 0)), entries);
});

test('one run is the whole', (t) => {
  t.deepEqual(splitEntries(entries, 1), [entries]);
});

test('runs of like size, each with the directories above what it has', (t) => {
  const runs = splitEntries(entries, 4);
  t.deepEqual(
    runs.map((run) => run.map(({ path }) => path)),
    [
      ['a', 'a/1'],
      ['a', 'a/2', 'a/link'],
      ['b', 'b/3'],
      ['b', 'b/4'],
    ],
  );
  t.deepEqual(runs[1]?.[0], directory('a', 0o700, 7, 8));
});

test('more runs than entries: none is empty', (t) => {
  const runs = splitEntries(entries, 99);
  t.true(runs.every((run) => run.length > 0));
  t.is(new Set(runs.flat()).size, entries.length);
});
