import { mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { digestOf, tarOf } from '../../../../scripts/rootfs/archive.ts';
import { resolvePath } from '../../../../scripts/rootfs/contents.ts';
import { completeTree, directory, type Entry, link, textFile } from '../../../../scripts/rootfs/entry.ts';
import { parseNeeds } from '../../../../scripts/rootfs/libraries.ts';
import { parseListing } from '../../../../scripts/rootfs/packages.ts';

test('a tree is sorted and has every parent; the first of two entries counts', (t) => {
  const entries = completeTree([textFile('b/c/d', ''), directory('a', 0o700), directory('a')]);
  t.deepEqual(
    entries.map((entry) => entry.path),
    ['a', 'b', 'b/c', 'b/c/d'],
  );
  t.is(entries[0]?.kind === 'directory' && entries[0].mode, 0o700);
});

test('tar(1) gives a directory beside a file of a like name its time too', async (t) => {
  // By the bytes of whole paths lib.so would come before lib/a, and after lib.
  const tree = completeTree([textFile('lib/a', 'x'), textFile('lib.so', 'y'), textFile('lib/sub/b', 'z')]);
  t.deepEqual(
    tree.map(({ path }) => path),
    ['lib', 'lib/a', 'lib/sub', 'lib/sub/b', 'lib.so'],
  );
  const root = mkdtempSync(join(tmpdir(), 'tree-'));
  t.teardown(() => execa('rm', ['-rf', root]));
  await execa('tar', ['-xf', '-', '-C', root], { input: await tarOf(tree, 1) });
  t.deepEqual(
    tree.map(({ path }) => statSync(join(root, path)).mtimeMs),
    tree.map(() => 1000),
  );
});

const entries = [link('sbin', 'usr/sbin'), link('usr/sbin/mount.nfs4', 'mount.nfs'), link('loop', '/loop')];
const byPath = new Map<string, Entry>(entries.map((entry) => [entry.path, entry]));

test('a path is resolved through links of directories and of files', (t) => {
  t.is(resolvePath('sbin/mount.nfs4', byPath), 'usr/sbin/mount.nfs');
  t.is(resolvePath('usr/sbin/mount.nfs', byPath), 'usr/sbin/mount.nfs');
});

test('a loop of links ends', (t) => {
  t.is(resolvePath('loop/x', byPath), 'loop/x');
});

test('the same entries give the same tar, another time another one', async (t) => {
  const tree = completeTree([textFile('etc/hosts', 'x'), ...entries]);
  t.is(digestOf(await tarOf(tree, 1)), digestOf(await tarOf(tree, 1)));
  t.not(digestOf(await tarOf(tree, 1)), digestOf(await tarOf(tree, 2)));
});

test('the libraries that files need, as readelf prints them, and where they are looked for first', (t) => {
  const text = `
File: usr/sbin/rpcbind

Dynamic section at offset 0xccc8 contains 29 entries:
  Tag        Type                         Name/Value
 0x0000000000000001 (NEEDED)             Shared library: [libtirpc.so.3]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
 0x000000000000001d (RUNPATH)            Library runpath: [$ORIGIN/../lib/own:/opt/lib]
 0x000000000000000c (INIT)               0x3000

File: usr/sbin/ldconfig

There is no dynamic section in this file.
`;
  t.deepEqual(parseNeeds(text), [
    {
      path: 'usr/sbin/rpcbind',
      libraries: ['libtirpc.so.3', 'libc.so.6'],
      directories: ['/usr/lib/own', '/opt/lib'],
    },
    { path: 'usr/sbin/ldconfig', libraries: [], directories: [] },
  ]);
});

test('a listing of a package is of the merged tree, without directories', (t) => {
  t.deepEqual(parseListing('./\n./bin/\n./bin/sed\n./usr/share/doc/sed/copyright\n'), [
    'usr/bin/sed',
    'usr/share/doc/sed/copyright',
  ]);
});
