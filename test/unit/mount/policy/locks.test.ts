import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import { parseMountArguments } from '../../../../src/mount/arguments/argv.ts';
import { toMountRequest } from '../../../../src/mount/arguments/request.ts';
import { describePlan } from '../../../../src/mount/show.ts';
import { manifest, planOf, target } from '../../../support/model/node-model.ts';

type Policy = (typeof manifest)['policy']['locks'];

function plan(locks: Policy, fstype: string, options: string) {
  const argv = ['-t', fstype, ...(options === '' ? [] : ['-o', options]), 'server:/x', target];
  const settings = { ...manifest, policy: { ...manifest.policy, locks } };
  return planOf(toMountRequest(parseMountArguments(argv)), settings);
}

/** The options that the helper gets; '' for none. */
function optionsOf({ steps }: ReturnType<typeof plan>): string {
  const argv = steps.find((step) => step.kind === 'runHelper')?.argv ?? [];
  return argv.includes('-o') ? (argv.at(-1) ?? '') : '';
}

for (const [options, expected] of [
  ['vers=3', 'vers=3,nolock'],
  ['nfsvers=3,hard', 'nfsvers=3,hard,nolock'],
  ['', 'nolock'],
  ['ro', 'ro,nolock'],
  ['vers=3,lock', 'vers=3,lock'],
  ['vers=3,nolock', 'vers=3,nolock'],
  ['vers=4.1', 'vers=4.1'],
  ['v4', 'v4'],
] as const) {
  test(`add-nolock: -o '${options}' becomes '${expected}', and is said`, (t) => {
    const made = plan('add-nolock', 'nfs', options);
    t.is(optionsOf(made), expected);
    t.is(made.notices.length, options === expected ? 0 : 1);
    t.is(describePlan(made).includes('added nolock'), options !== expected);
    const starts = made.steps.some(({ kind }) => kind.startsWith('provideLockServices'));
    t.is(starts, options === 'vers=3,lock', 'lock services only where locks go over the network');
  });
}

for (const [options, option] of [
  ['vers=3,nolock', 'nolock'],
  ['nolock', 'nolock'],
  ['vers=3,lock,nolock', 'nolock'],
  ['vers=3,local_lock=all', 'local_lock'],
  ['local_lock=flock', 'local_lock'],
  ['vers=3,local_lock=posix', 'local_lock'],
  ['vers=3,local_lock=none,local_lock', 'local_lock'],
  ['mountvers=3,nolock', 'nolock'],
  ['NOLOCK', 'nolock'],
  ['nolock=x', 'nolock'],
  ['context="a,nolock,b"', 'nolock'],
  // With sloppy the kernel ignores what it does not know, and mount.nfs goes by the name alone.
  ['sloppy,nolock,lock=x', 'nolock'],
  ['sloppy,nolock,LOCK', 'nolock'],
  ['sloppy,local_lock=all,LOCAL_LOCK=none', 'local_lock'],
  ['local_lock=all,local_lock="none"', 'local_lock'],
  ['nolock,local_lock=none', 'nolock'],
  ['lock,local_lock=all', 'local_lock'],
] as const) {
  test(`require: -o ${options} is refused`, (t) => {
    const error = t.throws(() => plan('require', 'nfs', options), { instanceOf: MounterError });
    t.like(error, { errorClass: 'policy', status: 1, subject: target });
    t.true(error.message.startsWith(`${option} is refused`));
  });
}

test('require: nolock of a v3 mount that is asked for as nfs4 is refused', (t) => {
  for (const options of ['vers=3,nolock', 'v3,local_lock=all', 'nfsvers=3,nolock'])
    t.throws(() => plan('require', 'nfs4', options), {
      instanceOf: MounterError,
      message: /is refused: policy/,
    });
});

for (const options of [
  ...['', 'vers=3', 'vers=3,nolock,lock', 'vers=3,local_lock=none', 'vers=4.2,nolock'],
  ...['local_lock=all,lock', 'local_lock=all,local_lock=none', 'vers=4,minorversion=1,nolock'],
]) {
  test(`require: -o '${options}' goes through as it is`, (t) => {
    t.is(optionsOf(plan('require', 'nfs', options)), options);
  });
}

test('add-nolock: a v3 mount that is asked for as nfs4 gets it', (t) => {
  t.is(optionsOf(plan('add-nolock', 'nfs4', 'vers=3')), 'vers=3,nolock');
});

test('nfs4 and glusterfs have nothing to do with it', (t) => {
  for (const policy of ['require', 'add-nolock'] as const) {
    t.is(optionsOf(plan(policy, 'nfs4', 'nolock')), 'nolock');
    t.deepEqual(plan(policy, 'glusterfs', '').notices, []);
  }
});

test('allow-nolock: as the options say', (t) => {
  for (const options of ['vers=3', 'vers=3,nolock', '', 'local_lock=all'])
    t.is(optionsOf(plan('allow-nolock', 'nfs', options)), options);
});
