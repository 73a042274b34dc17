import test from 'ava';
import { parseMountinfo } from '../../../../../src/host/mountinfo.ts';
import { grantReaderOf } from '../../../../../src/mount/filesystems/all.ts';
import type { Granted, Shortfall } from '../../../../../src/mount/filesystems/filesystem-driver.ts';
import { nfsGrants } from '../../../../../src/mount/filesystems/nfs/granted.ts';

/** A line of Linux 7.2, with other options in it. */
function grantedBy(changes: Readonly<Record<string, string>> = {}, ...flags: readonly string[]): Granted {
  const values = {
    vers: '4.2',
    rsize: '1048576',
    wsize: '1048576',
    proto: 'tcp',
    sec: 'sys',
    local_lock: 'none',
  };
  const options = Object.entries({ ...values, ...changes }).map(([name, value]) => `${name}=${value}`);
  const all = ['rw', ...options, 'namlen=255', 'hard', ...flags, 'addr=10.9.0.1'].join();
  const [entry] = parseMountinfo(`69 20 0:40 / /m rw,relatime - nfs4 10.9.0.1:/srv ${all}\n`);
  if (entry === undefined) throw new Error(all);
  return nfsGrants.granted(entry);
}

test('what the kernel lists is told, and what it leaves out for being usual', (t) => {
  t.deepEqual(grantedBy(), {
    version: '4.2',
    security: 'sys',
    transport: 'tcp',
    tls: 'none',
    readBytes: 1_048_576,
    writeBytes: 1_048_576,
    connections: 1,
    locks: 'server',
  });
  t.like(grantedBy({ nconnect: '4', xprtsec: 'mtls', sec: 'krb5p', proto: 'tcp6', wsize: '4096' }), {
    connections: 4,
    tls: 'mtls',
    security: 'krb5p',
    transport: 'tcp6',
    writeBytes: 4096,
  });
  t.is(grantedBy({ vers: '3' }, 'nolock').locks, 'node');
  for (const [listed, locks] of [
    ['all', 'node'],
    ['flock', 'flock'],
    ['posix', 'posix'],
  ] as const)
    t.is(grantedBy({ local_lock: listed }).locks, locks);
});

test('only the mounts of a kind that the kernel lists enough of are read', (t) => {
  for (const type of ['nfs', 'nfs4']) t.is(grantReaderOf(type), nfsGrants);
  for (const type of ['fuse.glusterfs', 'cifs', 'ceph', 'ext4']) t.is(grantReaderOf(type), undefined, type);
});

/** Options of a mount, what the kernel made of it, and what of that is less: `option asked>got`. */
const cases: readonly (readonly [asked: string, listed: Readonly<Record<string, string>>, less: string])[] = [
  ['', {}, ''],
  ['vers=4.2', { vers: '4.1' }, 'vers 4.2>4.1'],
  ['nfsvers=4,minorversion=2', { vers: '4.0' }, 'vers 4.2>4.0'],
  ['vers=4', { vers: '4.0' }, ''],
  ['vers=4.1', { vers: '4.1' }, ''],
  ['sec=krb5p', { sec: 'krb5p' }, ''],
  ['sec=krb5p:krb5i', { sec: 'krb5i' }, 'sec krb5p>krb5i'],
  ['sec=sys,sec=krb5', { sec: 'sys' }, 'sec krb5>sys'],
  ['sec=sys', { sec: 'krb5' }, ''],
  ['proto=rdma', { proto: 'tcp' }, 'proto rdma>tcp'],
  ['tcp', { proto: 'tcp' }, ''],
  ['proto=tcp6', { proto: 'tcp6' }, ''],
  ['xprtsec=mtls', { xprtsec: 'tls' }, 'xprtsec mtls>tls'],
  ['xprtsec=tls', {}, 'xprtsec tls>none'],
  ['xprtsec=none', { xprtsec: 'tls' }, ''],
  ['rsize=1048576', { rsize: '262144' }, 'rsize 1048576>262144'],
  ['wsize=524288,wsize=1048576', { wsize: '524288' }, 'wsize 1048576>524288'],
  ['rsize=32768', { rsize: '32768' }, ''],
  // Rounded down: to pages of 4 KiB and of 64 KiB.
  ['rsize=100000', { rsize: '98304' }, ''],
  ['rsize=70000', { rsize: '65536' }, ''],
  ['rsize=no', { rsize: '65536' }, ''],
  ['nconnect=8', {}, 'nconnect 8>1'],
  ['nconnect=8', { nconnect: '4' }, 'nconnect 8>4'],
  ['nconnect=4', { nconnect: '8' }, ''],
  ['vers=3', { vers: '3', local_lock: 'all' }, 'lock server>node'],
  ['vers=3,nolock', { vers: '3', local_lock: 'all' }, ''],
  ['local_lock=flock', { local_lock: 'flock' }, ''],
];
for (const [options, listed, less] of cases)
  test(`'${options}' that came to ${JSON.stringify(listed)} has ${less === '' ? 'no' : less} shortfall`, (t) => {
    const found = nfsGrants.shortfalls({ fstype: 'nfs', options }, grantedBy(listed));
    const shown = found.map(({ option, asked, got }: Shortfall) => `${option} ${asked}>${got}`);
    t.is(shown.join(), less);
    for (const { why } of found) t.regex(why, /^[a-z].*[^.]$/);
  });

test('the type nfs4 asks for v4, where no option says otherwise', (t) => {
  t.like(nfsGrants.shortfalls({ fstype: 'nfs4', options: '' }, grantedBy({ vers: '3' })), [{ asked: '4' }]);
});
