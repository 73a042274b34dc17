import test from 'ava';
import { digestOf, tarOf } from '../../../../scripts/rootfs/archive.ts';
import { resolvePath } from '../../../../scripts/rootfs/contents.ts';
import { completeTree, directory, type Entry, link, textFile } from '../../../../scripts/rootfs/entry.ts';
import { parseLibraryList } from '../../../../scripts/rootfs/libraries.ts';
import { parseListing } from '../../../../scripts/rootfs/packages.ts';

test('a tree is sorted and has every parent; the first of two entries counts', (t) => {
  const entries = completeTree([textFile('b/c/d', ''), directory('a', 0o700), directory('a')]);
  t.deepEqual(
    entries.map((entry) => entry.path),
    ['a', 'b', 'b/c', 'b/c/d'],
  );
  t.is(entries[0]?.kind === 'directory' && entries[0].mode, 0o700);
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

test('the libraries that ld.so --list prints', (t) => {
  const text = `	linux-vdso.so.1 (0x00007ffd0b5f2000)
	libtirpc.so.3 => /lib/x86_64-linux-gnu/libtirpc.so.3 (0x00007f3c0a5d3000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f3c0a7f1000)
`;
  const libraries = ['/lib/x86_64-linux-gnu/libtirpc.so.3', '/lib64/ld-linux-x86-64.so.2'];
  t.deepEqual(parseLibraryList(text, 'usr/sbin/rpcbind'), libraries);
});

test('a library that is nowhere is an error that names it', (t) => {
  const error = t.throws(() => parseLibraryList('	libx.so.1 => not found\n', 'usr/bin/x'));
  t.like(error, { subject: '/usr/bin/x', message: 'needs libx.so.1, which is in none of the packages' });
});

test('a listing of a package is of the merged tree, without directories', (t) => {
  t.deepEqual(parseListing('./\n./bin/\n./bin/sed\n./usr/share/doc/sed/copyright\n'), [
    'usr/bin/sed',
    'usr/share/doc/sed/copyright',
  ]);
});
