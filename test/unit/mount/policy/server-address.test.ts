import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import { planFor, target } from '../../../support/model/node-model.ts';

/** Nothing is run for an address that no server has. */
for (const [fstype, source, why] of [
  ['nfs', '0.0.0.0:/x', /0\.0\.0\.0 stands for no host/],
  ['nfs', '0.1.2.3:/x', /stands for no host/],
  ['nfs', '[::]:/x', /:: stands for no host/],
  ['nfs', '256.1.1.1:/x', /256\.1\.1\.1 is no IPv4 address/],
  ['nfs', '1.2.3:/x', /is no IPv4 address/],
  ['nfs', '10.0.0.010:/x', /without leading zeros/],
  ['nfs', '0x7f000001:/x', /is no IPv4 address/],
  ['nfs', '1.2.3.4.5:/x', /is no IPv4 address/],
  ['nfs', '224.0.0.5:/x', /multicast/],
  ['nfs', '[ff02::1]:/x', /multicast/],
  ['nfs', '255.255.255.255:/x', /broadcast/],
  ['nfs', '[fe80::1]:/x', /without its interface/],
  ['nfs', '[febf::1]:/x', /without its interface/],
  ['nfs', '[::1', /lacks the bracket/],
  ['nfs', '[::1:/x', /lacks the bracket/],
  ['nfs', '[fd00::zz]:/x', /fd00::zz is no IPv6 address/],
  ['nfs', '[fd00:1]:/x', /is no IPv6 address/],
  ['glusterfs', '0.0.0.0:v', /stands for no host/],
  ['glusterfs', 'fe80::1:v', /without its interface/],
  ['glusterfs', 'a,256.1.1.1:v', /is no IPv4 address/],
] as const)
  test(`${source} is refused: ${why.source}`, (t) => {
    const error = t.throws(() => planFor('-t', fstype, source, target), { instanceOf: MounterError });
    t.like(error, { status: 1, subject: source, errorClass: 'usage' });
    t.regex(error.message, why);
    t.truthy(error.hint);
  });

test('a backup server is looked at as well', (t) => {
  const argv = ['-t', 'glusterfs', '-o', 'backup-volfile-servers=nas:0.0.0.0', 'a:v', target];
  t.throws(() => planFor(...argv), { message: /0\.0\.0\.0 stands for no host/ });
});

for (const source of [
  '10.0.0.5:/x',
  '127.0.0.1:/x',
  '169.254.1.1:/x',
  '[fd00::5]:/x',
  '[::1]:/x',
  '[fe80::1%eth0]:/x',
  '[::ffff:10.0.0.5]:/x',
  'srv.1:/x',
  '1.example:/x',
  'fd00:/x',
  'cafe:/x',
  '9nas:/x',
])
  test(`${source} may be a server`, (t) => t.notThrows(() => planFor('-t', 'nfs', source, target)));
