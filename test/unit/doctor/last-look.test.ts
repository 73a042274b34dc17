import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { lastLookAt } from '../../../src/doctor/last-look.ts';
import { type MountEntry, readMountinfo } from '../../../src/host/mountinfo.ts';
import { nodeHost } from '../../../src/host/node-host.ts';
import { manifest } from '../../support/model/node-model.ts';

const scratch = mkdtempSync(join(tmpdir(), 'last-look-test-'));
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

const entries = readMountinfo(nodeHost);
const [library, loader] = ['usr/lib/libtirpc.so.3', 'usr/lib/ld-linux-x86-64.so.2'];
const text = '0123456789';
/** Than any test takes. */
const later = 3_600_000;

/** A rootfs, and a node of its own to keep what was found of it. */
function rootfs(name: string) {
  const root = join(scratch, name);
  for (const directory of ['usr/lib', 'etc', 'proc']) mkdirSync(`${root}/${directory}`, { recursive: true });
  for (const file of [library, loader, 'etc/nsswitch.conf', 'etc/resolv.conf', '.mounter-tree.json'])
    writeFileSync(`${root}/${file}`, text);
  symlinkSync('usr/lib', `${root}/lib`);
  const madeMs = Date.now();
  let kept: string | undefined;
  const host = {
    ...nodeHost,
    readText: (path: string) => (path.endsWith('/good-rootfs') ? kept : nodeHost.readText(path)),
    remove: () => {
      kept = undefined;
    },
    replaceText: (_: string, digest: string) => {
      kept = digest;
    },
  };
  return {
    root,
    /** @param afterMs how long after it was made. */
    look: (afterMs: number = later, table = entries, settings = manifest) =>
      lastLookAt({ root, manifest: settings, offBy: undefined }, table, host, true, madeMs + afterMs),
  };
}

async function foundGood(name: string) {
  const tree = rootfs(name);
  const look = await tree.look();
  await look.found('contents', true);
  await look.found('programs', true);
  return tree;
}

const changes: Readonly<Record<string, (root: string) => void>> = {
  'other bytes of the same size': (root) => writeFileSync(`${root}/${library}`, '012345678x'),
  'other bytes, and the old times': (root) => {
    writeFileSync(`${root}/${library}`, '012345678x');
    utimesSync(`${root}/${library}`, 0, 0);
  },
  'another loader': (root) => {
    copyFileSync(`${root}/${loader}`, `${root}/x`);
    renameSync(`${root}/x`, `${root}/${loader}`);
  },
  'a library under the name of another': (root) => {
    rmSync(`${root}/${loader}`);
    linkSync(`${root}/${library}`, `${root}/${loader}`);
  },
  'a library more': (root) => writeFileSync(`${root}/usr/lib/libc.so.6`, ''),
  'a directory more': (root) => mkdirSync(`${root}/usr/lib/glibc-hwcaps`),
  'a library gone': (root) => rmSync(`${root}/${library}`),
  'a link that leads elsewhere': (root) => {
    rmSync(`${root}/lib`);
    symlinkSync('usr/bin', `${root}/lib`);
  },
  'a file nobody may read': (root) => chmodSync(`${root}/${library}`, 0),
  'a directory nobody may enter': (root) => chmodSync(`${root}/usr`, 0o600),
  'a directory of somebody else': (root) => chownSync(`${root}/usr/lib`, 7, 7),
  'its record damaged': (root) => writeFileSync(`${root}/.mounter-tree.json`, '{'),
};

for (const [what, change] of Object.entries(changes))
  test(`looked at again: ${what}`, async (t) => {
    const { root, look } = await foundGood(what);
    t.true((await look()).isGood);
    change(root);
    t.false((await look()).isGood);
  });

test('looked at again: written by a file that was open all the time', async (t) => {
  const tree = rootfs('open');
  const fd = openSync(`${tree.root}/${library}`, 'r+');
  const look = await tree.look();
  for (const half of ['contents', 'programs'] as const) await look.found(half, true);
  t.true((await tree.look()).isGood);
  writeSync(fd, 'x');
  closeSync(fd);
  t.false((await tree.look()).isGood);
});

const overIt = (root: string, mountPoint: string): MountEntry => ({
  ...(entries[0] as MountEntry),
  mountPoint: `${root}/${mountPoint}`,
});

test('looked at again: something is mounted over it, its mount is another, or other settings', async (t) => {
  const { root, look } = await foundGood('mounts');
  t.true((await look()).isGood);
  t.false((await look(later, [...entries, overIt(root, library)])).isGood);
  const noexec = entries.map((entry) => ({ ...entry, mountOptions: [...entry.mountOptions, 'noexec'] }));
  t.false((await look(later, noexec)).isGood);
  t.false((await look(later, entries, { ...manifest, filesystems: {} })).isGood);
});

test('not looked at again: what a node writes into its rootfs, and what is mounted there for mounts', async (t) => {
  const { root, look } = await foundGood('own');
  for (const file of ['etc/resolv.conf', 'etc/hosts', 'etc/resolv.conf.new', '.mounter-node-files'])
    writeFileSync(`${root}/${file}`, 'other');
  mkdirSync(`${root}/proc/1`);
  t.true((await look(later, [...entries, overIt(root, 'proc')])).isGood);
});

test('nothing is kept of a rootfs that was written a moment ago, or changes meanwhile, or of half a look', async (t) => {
  const { root, look } = rootfs('young');
  const isKept = async (afterMs: number, change = () => {}) => {
    const now = await look(afterMs);
    change();
    for (const half of ['contents', 'programs'] as const) await now.found(half, true);
    return (await look(afterMs)).isGood;
  };
  t.false(await isKept(0));
  t.false(await isKept(1900));
  t.false(await isKept(later, () => writeFileSync(`${root}/${library}`, 'meanwhile')));
  const half = await look();
  await half.found('contents', true);
  t.false((await look()).isGood);
  t.true(await isKept(later));
});

test('a fault that is found takes back what was found before', async (t) => {
  const { look } = await foundGood('rot');
  const again = await look();
  t.true(again.isGood);
  await again.found('contents', false);
  await again.found('programs', true);
  t.false((await look()).isGood);
});
