import test from 'ava';
import { MounterError } from '../../../../../src/errors.ts';
import type { MountEntry } from '../../../../../src/host/mountinfo.ts';
import { isSameGlusterfsSource } from '../../../../../src/mount/filesystems/glusterfs/source.ts';
import { planFor, target } from '../../../../support/model/node-model.ts';

function helperArgv(
  source: string,
  options: string,
  at = target,
  ...flags: readonly string[]
): readonly string[] {
  const argv = ['-t', 'glusterfs', ...flags, ...(options === '' ? [] : ['-o', options]), source, at];
  return planFor(...argv).steps.find((step) => step.kind === 'runHelper')?.argv ?? [];
}

test('what kubelet asks for reaches the helper as it is', (t) => {
  const options =
    'auto_unmount,backup-volfile-servers=10.0.0.2:[fd00::3],log-file=/var/lib/kubelet/plugins/kubernetes.io/glusterfs/v/p-glusterfs.log,log-level=ERROR,ro';
  t.deepEqual(helperArgv('10.0.0.1:vol_x', options), [
    '/sbin/mount.glusterfs',
    '10.0.0.1:vol_x',
    `${target}/`,
    '-o',
    options,
  ]);
});

test('a log has a name that a file may have', (t) => {
  const log = helperArgv('s:v', '', `${target}/${'n'.repeat(250)}`).at(-1) ?? '';
  t.is(log.length, 'log-file=/var/log/glusterfs/'.length + 255);
  t.regex(log, /^log-file=\/var\/log\/glusterfs\/var-lib-kubelet-pods-.*n\.log$/);
});

test('flags that would make the helper mount nothing and say success are kept from it', (t) => {
  t.deepEqual(helperArgv('s:v', 'ro', target, '-vns'), [
    ...['/sbin/mount.glusterfs', 's:v', `${target}/`, '-s', '-n', '-o'],
    `ro,log-file=/var/log/glusterfs/${target.slice(1).replaceAll('/', '-')}.log`,
  ]);
  t.deepEqual(helperArgv('s:v', '', target, '-f'), [], 'nor has it a fake mount');
});

test('an IPv6 server goes to the helper without the brackets that it cannot read', (t) => {
  t.is(helperArgv('[fd00::5]:vol', '')[1], 'fd00::5:vol');
});

const byVersion6 = 'xlator-option=transport.address-family=inet6';
for (const [source, options, isAdded] of [
  ['[fd00::5]:vol', '', true],
  ['fd00::5:vol', 'ro', true],
  ['s:vol', 'backup-volfile-servers=[fd00::3]', true],
  ['[fd00::5]:vol', 'xlator-option=transport.address-family=inet', false],
  ['[fd00::5]:vol', 'backup-volfile-servers=10.0.0.2', false],
  ['s:vol', '', false],
] as const)
  test(`${isAdded ? 'by' : 'not told to go by'} IPv6: ${source} ${options}`, (t) => {
    t.is(helperArgv(source, options).at(-1)?.split(',').includes(byVersion6), isAdded);
  });

for (const source of [
  's:v',
  's:/v',
  's:v/dir',
  's:/v/dir.with,dots/x',
  'a,b:v',
  's:vol.tcp',
  'fd00::1:v',
  's:v/',
  'gluster_1:v',
  'a_b,_c:/v/d',
  `${'n'.repeat(63)}:v`,
]) {
  test(`accepted: ${source}`, (t) => t.is(helperArgv(source, '')[1], source));
}

test('slashes too many are taken out: the helper would take what is between them for an empty volume', (t) => {
  t.is(helperArgv('s://v//d//', '')[1], 's:/v/d/');
});

const long = `${'n'.repeat(64)}`;
for (const [source, options] of [
  [`${long}:v`, ''],
  [`s,${long}:v`, ''],
  ['s:v', `backup-volfile-servers=10.0.0.2:${long}`],
  ['s:v', `backupvolfile-server=${long}`],
] as const)
  test(`a name that the helper would drop without a word is told with its length: ${source} ${options}`, (t) => {
    const error = t.throws(() => helperArgv(source, options), { instanceOf: MounterError });
    t.is(error?.subject, long);
    t.regex(error?.message ?? '', /64 characters/);
  });

const refused: readonly (readonly [source: string, options: string, at?: string])[] = [
  ['/etc/passwd', ''],
  ['etc/passwd', ''],
  ['s:', ''],
  ['s:v/../..', ''],
  ['s:v/./x', ''],
  ['/etc/*H:v1', ''],
  ['s:v --log-file=/etc/x', ''],
  ['s:v*', ''],
  ['s:v?', ''],
  ['s:v\\054x', ''],
  ['s:a:v$(id)', ''],
  ['s:v', 'ro log-level=DEBUG'],
  ['s:v', 'log-level=ERROR\\054log-file=/etc/evil'],
  ['s:v', 'log-file=/etc/pass*'],
  ['s:v', 'log-file=/x[a]'],
  ['s:v', '', '/var/lib/kubelet/pods/a b'],
  ['s:v', '', '/var/lib/kubelet/pods/x*'],
  ['s:v', '', '/var/lib/kubelet/pods/[a]'],
];

for (const [source, options, at] of refused) {
  test(`refused: ${source} ${options} ${at ?? ''}`, (t) => {
    const error = t.throws(() => helperArgv(source, options, at), { instanceOf: MounterError });
    t.is(error?.status, 1);
    t.false(error?.message.includes('evil'), 'no value of the options is shown');
  });
}

for (const [asked, options, listed, isSame] of [
  ['s:v', '', 's:/v', true],
  ['s:v/', '', 's:v', true],
  ['a,b:v', '', 'a:v', true],
  ['a,b:v', '', 'b:v', true],
  ['a:v', 'backup-volfile-servers=x:y', 'y:v', true],
  ['a:v', 'backup-volfile-servers=x:y', 'z:v', false],
  ['s:v', '', 's:v.tcp', true],
  ['[fd00::1]:v', '', 'fd00::1:v', true],
  ['s:/v/d', '', 's:v/d', true],
  ['s:v', 'subdir-mount=d', 's:v/d', true],
  ['s:v', 'subdir-mount=/d/e/', 's:v//d/e/', true],
  ['s:v', 'subdir-mount=d', 's:v', false],
  ['s:v', '', 's:v/d', false],
  // The helper takes the directory of the source, which is none here.
  ['s:v/', 'subdir-mount=d', 's:v', true],
  ['s:v/e', 'subdir-mount=d', 's:v/e', true],
  ['s:v', '', 's:v2', false],
  ['s:v', '', 's2:v', false],
] as const)
  test(`${asked} ${options} is ${isSame ? '' : 'not '}what the kernel lists as ${listed}`, (t) => {
    const entry = { source: listed, fstype: 'fuse.glusterfs' } as MountEntry;
    t.is(isSameGlusterfsSource({ fstype: 'glusterfs', source: asked, target, options }, entry), isSame);
  });
