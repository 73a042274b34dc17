import test from 'ava';
import type { MountContext } from '../../../src/mount/context.ts';
import type { Failure } from '../../../src/mount/failure/explain.ts';
import { secondTry, withOption } from '../../../src/mount/failure/second-try.ts';
import { glusterfs } from '../../../src/mount/filesystems/glusterfs/glusterfs.ts';
import { nfs } from '../../../src/mount/filesystems/nfs/nfs.ts';
import type { MountPlan } from '../../../src/mount/plan-data.ts';

for (const [driver, source, options, expected] of [
  [nfs, 'srv:/x', 'vers=4', ['-o', 'vers=4,proto=tcp']],
  [nfs, 'srv:/x', '_netdev', ['-o', 'proto=tcp']],
  [nfs, 'srv:/x', '', ['-o', 'proto=tcp']],
  [glusterfs, 'srv:vol', '', ['-o', 'log-file=/var/log/glusterfs/m.log,proto=tcp']],
] as const)
  test(`an option more for ${driver.kind} with "${options}": one list, at the end`, (t) => {
    const argv = driver.helperArgv('/sbin/helper', {
      fstype: driver.kind,
      source,
      target: '/m',
      options,
      helperFlags: [],
      isFake: false,
    });
    t.deepEqual(withOption(argv, 'proto=tcp').slice(3), expected);
  });

for (const [endedBy, isTried] of [
  ['watchdog', true],
  ['interrupt', false],
  ['deadline', false],
] as const)
  test(`a helper that was ended by the ${endedBy} is ${isTried ? '' : 'not '}run once more`, async (t) => {
    const plan = { driver: nfs, options: '' } as MountPlan;
    const failure: Failure = {
      plan,
      outcome: { status: 1, output: '', endedBy },
      probeFailure: { kind: 'otherFamily', server: 'srv', family: 4, others: [] },
      startedMs: 0,
      logBefore: undefined,
    };
    const step = { kind: 'runHelper', argv: ['/sbin/mount.nfs', 'srv:/x', '/m'] } as const;
    const { second } = await secondTry(step, failure, {} as MountContext);
    t.is(second !== undefined, isTried);
  });
