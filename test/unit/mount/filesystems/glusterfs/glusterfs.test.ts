import test from 'ava';
import { MounterError } from '../../../../../src/errors.ts';
import { canonicalGlusterfsSource } from '../../../../../src/mount/filesystems/glusterfs/source.ts';
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
    target,
    '-o',
    options,
  ]);
});

test('flags that would make the helper mount nothing and say success are kept from it', (t) => {
  t.deepEqual(helperArgv('s:v', '', target, '-vns'), ['/sbin/mount.glusterfs', 's:v', target, '-s', '-n']);
  t.deepEqual(helperArgv('s:v', '', target, '-f'), [], 'nor has it a fake mount');
});

test('an IPv6 server goes to the helper without the brackets that it cannot read', (t) => {
  t.is(helperArgv('[fd00::5]:vol', '')[1], 'fd00::5:vol');
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
]) {
  test(`accepted: ${source}`, (t) => t.is(helperArgv(source, '')[1], source));
}

const refused: readonly (readonly [source: string, options: string, at?: string])[] = [
  ['/etc/passwd', ''],
  ['etc/passwd', ''],
  ['s:', ''],
  ['s:v/../..', ''],
  ['s:v/./x', ''],
  ['s://v', ''],
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

test('one volume, written in several ways, is one source', (t) => {
  for (const [written, listed] of [
    ['s:v', 's:/v'],
    ['s:v/', 's:v'],
    ['a,b:v', 'a:v'],
    ['s:v', 's:v.tcp'],
    ['[fd00::1]:v', 'fd00::1:v'],
    ['s:/v/d', 's:v/d'],
  ] as const) {
    t.is(canonicalGlusterfsSource(written), canonicalGlusterfsSource(listed));
  }
  t.not(canonicalGlusterfsSource('s:v'), canonicalGlusterfsSource('s:v2'));
  t.not(canonicalGlusterfsSource('s:v'), canonicalGlusterfsSource('s:v/d'));
});
