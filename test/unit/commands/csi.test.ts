import test from 'ava';
import { driverNames, startInTime } from '../../../src/commands/csi.ts';
import { MounterError } from '../../../src/errors.ts';
import { exitCode } from '../../../src/exit-codes.ts';

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

test('a driver that cannot be started now is tried again whenever it is asked what it waits for', async (t) => {
  const missing = new MounterError('is not there', {
    subject: '/kubelet',
    status: exitCode.system,
    hint: 'make it',
  });
  const attempts = [missing, missing, undefined];
  let isClosed = false;
  const driver = await startInTime(async () => {
    const error = attempts.shift();
    if (error !== undefined) throw error;
    return { lacks: () => 'kubelet', close: () => (isClosed = true) };
  });
  driver.close();
  t.is(await driver.lacks(), '/kubelet: is not there\nhint: make it\n');
  t.is(await driver.lacks(), 'kubelet');
  t.is(await driver.lacks(), 'kubelet');
  t.false(isClosed);
  driver.close();
  t.true(isClosed);
  const wrong = new MounterError('is no name', { status: exitCode.usage });
  await t.throwsAsync(
    startInTime(() => Promise.reject(wrong)),
    { is: wrong },
  );
});
