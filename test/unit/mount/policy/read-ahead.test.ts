import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import { parseManifest } from '../../../../src/manifest/manifest.ts';
import { parseMountArguments } from '../../../../src/mount/arguments/argv.ts';
import { toMountRequest } from '../../../../src/mount/arguments/request.ts';
import type { MountPlan } from '../../../../src/mount/plan-data.ts';
import { describeStep } from '../../../../src/mount/show.ts';
import { manifest, planOf, target } from '../../../support/model/node-model.ts';

/** With another read-ahead than the one that we ship, or none. */
function settingsWith(readAheadKib: unknown): typeof manifest {
  const nfs = { ...manifest.filesystems.nfs, readAheadKib };
  return parseManifest(
    JSON.stringify({ ...manifest, filesystems: { ...manifest.filesystems, nfs } }),
    'settings',
  );
}
const tuned = settingsWith(512);

function planned(options: string, settings = manifest, ...flags: readonly string[]): MountPlan {
  return planOf(
    toMountRequest(parseMountArguments([...flags, '-t', 'nfs', '-o', options, 'srv:/x', target])),
    settings,
  );
}
const stepsOf = ({ steps }: MountPlan) => steps.map(({ kind }) => kind);
const readAheadIn = ({ steps }: MountPlan) => steps.filter(({ kind }) => kind === 'setReadAhead');

test('where nobody asks for a read-ahead, none is set; as we ship it, it is that of docs/performance-nfs.md', (t) => {
  t.deepEqual(readAheadIn(planned('vers=4.2,x-systemd.automount', settingsWith(undefined))), []);
  t.like(readAheadIn(planned('vers=4.2')), [{ kib: 1024, isOfVolume: false }]);
});

test('it is set when the mount is made, and before anybody sees it', (t) => {
  const plan = planned('vers=4.2,x-mounter.read-ahead=4096');
  t.deepEqual(stepsOf(plan).slice(-4), ['runHelper', 'verifyMounted', 'setReadAhead', 'attach']);
  t.deepEqual(readAheadIn(plan).map(describeStep), ['set the read-ahead of its filesystem to 4096 KiB']);
  t.deepEqual(stepsOf(planned('x-mounter.read-ahead=64')).slice(-2), ['setReadAhead', 'attach']);
});

test('no helper gets the option, and a fake mount does nothing about it', (t) => {
  const plan = planned('x-mounter.read-ahead=4096,vers=4.2');
  t.deepEqual(plan.steps.find((step) => step.kind === 'runHelper')?.argv.slice(-2), ['-o', 'vers=4.2']);
  t.deepEqual(readAheadIn(planned('x-mounter.read-ahead=4096', tuned, '-f')), []);
});

test("a volume's option counts for more than the settings, and the last of two for more than the first", (t) => {
  t.like(readAheadIn(planned('vers=4', tuned)), [{ kib: 512, isOfVolume: false }]);
  t.like(readAheadIn(planned('x-mounter.read-ahead=0', tuned)), [{ kib: 0, isOfVolume: true }]);
  t.like(readAheadIn(planned('x-mounter.read-ahead=64,x-mounter.read-ahead=16384')), [{ kib: 16_384 }]);
});

for (const [options, subject] of [
  ...[
    '=',
    '',
    '=-1',
    '=16385',
    '=1M',
    '=1e3',
    '=0x40',
    '= 64',
    '=64.0',
    '="64"',
    '=99999999999999999999',
  ].map((value) => [`x-mounter.read-ahead${value}`, 'x-mounter.read-ahead'] as const),
  ...['x-mounter.readahead=64', 'X-Mounter.read-ahead=64', 'x-mounter.x'].map(
    (text) => [text, text.replace('=64', '')] as const,
  ),
  // What may be the half of a password is not shown.
  ...['x-mounter=64', '"x-mounter.read-ahead"=64', 'x-mounter.a!b', 'secret x-mounter.x'].map(
    (text) => [text, 'x-mounter'] as const,
  ),
] as const)
  test(`${options} is refused before anything runs`, (t) => {
    const error = t.throws(() => planned(`vers=4,${options}`), { instanceOf: MounterError });
    t.like(error, { subject, errorClass: 'bad-option', status: 1 });
    t.regex(error?.hint ?? '', /x-mounter\.read-ahead=/);
  });

test('the author of a Pod does not choose it, for the mounts of others share it', (t) => {
  const settings = {
    ...tuned,
    policy: { ...tuned.policy, sources: [{ server: 'srv', inline: true }] },
  };
  const asked = (asker: string, options: string) => planned(options, settings, '--asker', asker);
  t.throws(() => asked('inline:team-a', 'x-mounter.read-ahead=4096'), { message: /inline in a Pod/ });
  t.like(readAheadIn(asked('inline:team-a', 'vers=4')), [{ kib: 512 }]);
  t.like(readAheadIn(asked('pod:team-a', 'x-mounter.read-ahead=4096')), [{ kib: 4096 }]);
});

test('an operator can forbid it like any option', (t) => {
  const options = { forbidden: ['@default', 'x-mounter.read-ahead'] };
  const settings = { ...manifest, policy: { ...manifest.policy, options } };
  t.throws(() => planned('x-mounter.read-ahead=64', settings), { message: /forbidden on this node/ });
});

for (const [value, message] of [
  [-1, /^filesystems\.nfs\.readAheadKib: must be at least 0 KiB/],
  [16_385, /^filesystems\.nfs\.readAheadKib: must be at most 16384 KiB$/],
  [0.5, /^filesystems\.nfs\.readAheadKib: must be a whole number of KiB$/],
  ['1024', /^filesystems\.nfs\.readAheadKib: /],
] as const)
  test(`${JSON.stringify(value)} is no read-ahead of the settings`, (t) => {
    t.throws(() => settingsWith(value), { message });
  });
