import test from 'ava';
import { driverNames } from '../../../src/commands/csi.ts';

test('names of a driver are those that a CSIDriver can have', (t) => {
  t.deepEqual(driverNames('name', 'nfs.csi.k8s.io,a,0-1.b'), ['nfs.csi.k8s.io', 'a', '0-1.b']);
  t.deepEqual(driverNames('name', 'a,b,a'), ['a', 'b']);
  t.is(driverNames('name', 'a'.repeat(63))[0]?.length, 63);
});

for (const wrong of [
  'NFS.csi.k8s.io',
  '',
  'a..b',
  'a.-b',
  'a-.b',
  '-a',
  'a.',
  'no_name',
  'a b',
  'a'.repeat(64),
])
  test(`no name of a driver: "${wrong}"`, (t) => {
    t.throws(() => driverNames('name', `a,${wrong}`), {
      name: 'MounterError',
      message: `"${wrong}" is no name of a driver`,
    });
  });
