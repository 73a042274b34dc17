import { readFileSync } from 'node:fs';
import test from 'ava';
import { MounterError } from '../../../../../src/errors.ts';
import { type Manifest, parseManifest } from '../../../../../src/manifest/manifest.ts';
import { parseMountArguments } from '../../../../../src/mount/arguments/argv.ts';
import { toMountRequest } from '../../../../../src/mount/arguments/request.ts';
import { cifs } from '../../../../../src/mount/filesystems/cifs/cifs.ts';
import { passwordsApart } from '../../../../../src/mount/filesystems/cifs/options.ts';
import { isSameCifsSource } from '../../../../../src/mount/filesystems/cifs/source.ts';
import type { MountPlan } from '../../../../../src/mount/plan-data.ts';
import { describePlan } from '../../../../../src/mount/show.ts';
import { planOf, manifest as shipped, target } from '../../../../support/model/node-model.ts';
import { withSmb } from '../../../../support/node/smb-rootfs.ts';

const manifest = parseManifest(withSmb(readFileSync('rootfs-manifest.json', 'utf8')), 'with SMB');

function plan(source: string, options: string, policy: Partial<Manifest['policy']> = {}, type = 'cifs') {
  const argv = ['-t', type, ...(options === '' ? [] : ['-o', options]), source, target];
  const settings = { ...manifest, policy: { ...manifest.policy, ...policy } };
  return planOf(toMountRequest(parseMountArguments(argv)), settings);
}

type RunHelper = Extract<MountPlan['steps'][number], { kind: 'runHelper' }>;

const helperOf = ({ steps }: MountPlan) => steps.find((step): step is RunHelper => step.kind === 'runHelper');

function refusal(source: string, options: string, policy: Partial<Manifest['policy']> = {}) {
  try {
    plan(source, options, policy);
    return undefined;
  } catch (error) {
    if (error instanceof MounterError) return error;
    throw error;
  }
}

test('a node as it ships mounts none, and says so', (t) => {
  const request = toMountRequest(parseMountArguments(['-t', 'cifs', '//srv/share', target]));
  const error = t.throws(() => planOf(request, shipped), { instanceOf: MounterError });
  t.regex(error?.hint ?? '', /filesystems\.cifs of the settings is null or missing/);
});

test('mount.cifs gets no password in its arguments, no way to other servers, and root for a group', (t) => {
  const made = plan('//srv/share', 'username=alice,password=open,, sesame,vers=3.1.1');
  t.deepEqual(helperOf(made)?.argv, [
    '/sbin/mount.cifs',
    '//srv/share',
    target,
    '-o',
    'nodfs,username=alice,vers=3.1.1,gid=0,noforcegid',
  ]);
  t.deepEqual(helperOf(made)?.secrets, { PASSWD: 'open, sesame' });
  t.false(describePlan(made).includes('sesame'));
});

test('what was asked for is kept: a group, the type, no password at all', (t) => {
  const made = plan('//srv/share', 'gid=100,guest', {}, 'smb3');
  t.deepEqual(helperOf(made)?.argv, ['/sbin/mount.smb3', '//srv/share', target, '-o', 'nodfs,gid=100,guest']);
  t.deepEqual(helperOf(made)?.secrets, { PASSWD: '' }, 'it would be asked for otherwise');
  t.is(helperOf(plan('//srv/share', ''))?.argv.at(-1), 'nodfs,gid=0,noforcegid');
});

const passwords: readonly (readonly [options: string, passwords: readonly string[], rest: string])[] = [
  ['', [], ''],
  ['ro,user=a', [], 'ro,user=a'],
  ['password=a', ['a'], ''],
  ['ro,pass=a', ['a'], 'ro'],
  ['pass=a,ro', ['a'], 'ro'],
  ['ro,password=a,rw', ['a'], 'ro,rw'],
  ['password=a,,b,ro', ['a,b'], 'ro'],
  ['password=a,,,b', ['a,'], 'b'],
  ['password=,,,,,ro', [',,'], 'ro'],
  ['password=,ro', [''], 'ro'],
  ['password', [''], ''],
  ['password=a=b"c"%d', ['a=b"c"%d'], ''],
  ['pass=a,password=b', ['a', 'b'], ''],
  ['ro, password=a', ['a'], 'ro'],
  ['passwords=a,mypass=b,password2=c', [], 'passwords=a,mypass=b,password2=c'],
];

for (const [options, expected, rest] of passwords)
  test(`passwords apart: ${options === '' ? 'no options' : options}`, (t) => {
    t.deepEqual(passwordsApart(options), { passwords: expected, rest });
  });

const sources: readonly (readonly [source: string, server: string | undefined, path: string | undefined])[] =
  [
    ['//srv/share', 'srv', '/share'],
    ['\\\\srv\\share', 'srv', '/share'],
    ['//srv/share/', 'srv', '/share'],
    ['//srv/share//a\\b/', 'srv', '/share/a/b'],
    ['//10.0.0.5/share$/a b', '10.0.0.5', '/share$/a b'],
    ['//[fd00::5]/share', 'fd00::5', '/share'],
    ['//fd00::5/share', 'fd00::5', '/share'],
    ['//srv', undefined, undefined],
    ['//srv/', undefined, undefined],
    ['//srv//share', undefined, undefined],
    ['///share', undefined, undefined],
    ['/\\srv/share', undefined, undefined],
    ['srv:/share', undefined, undefined],
    ['smb://srv/share', undefined, undefined],
  ];

for (const [source, server, path] of sources)
  test(`source: ${source}`, (t) => {
    const asked = { fstype: 'cifs', source, target, options: '' };
    t.deepEqual(cifs.servers(asked), server === undefined ? undefined : [server]);
    t.deepEqual(
      cifs.places(asked)?.map((place) => [place.server, place.path]),
      server === undefined ? undefined : [[server, path]],
    );
    const error = refusal(source, '');
    t.is(error?.status, server === undefined ? 1 : undefined);
    if (error !== undefined) t.regex(error.hint ?? '', /^write \/\/SERVER\/SHARE/);
  });

test('an IPv6 server goes to the helper without the brackets that it cannot read', (t) => {
  t.is(helperOf(plan('//[fd00::5]/share/[a]', ''))?.argv[1], '//fd00::5/share/[a]');
});

test('a comma in a source would begin an option, and is refused', (t) => {
  for (const source of ['//srv/share,source=//evil/x', '//srv/share/a,ip=10.0.0.9', '\\\\srv\\s,hare'])
    t.like(refusal(source, ''), { status: 1, subject: source });
});

test('ip= is the server that is asked, and one more that has to be allowed', (t) => {
  const asked = { fstype: 'cifs', source: '//srv/share', target, options: 'addr=10.0.0.9,ip=10.0.0.8' };
  t.deepEqual(cifs.servers(asked), ['10.0.0.8']);
  t.deepEqual(
    cifs.places(asked)?.map(({ server }) => server),
    ['srv', '10.0.0.9', '10.0.0.8'],
  );
  t.deepEqual(cifs.servers({ ...asked, options: 'password=a,,ip=10.0.0.9' }), ['srv'], 'of a password');
});

for (const [title, mounted, fstype, isSame] of [
  ['the same', '//srv/Share/dir', 'cifs', true],
  ['in other letters', '//SRV/SHARE/dir', 'smb3', true],
  ['a directory in other letters', '//srv/Share/DIR', 'cifs', false],
  ['another share', '//srv/other/dir', 'cifs', false],
  ['another server', '//other/Share/dir', 'cifs', false],
  ['another filesystem', '//srv/Share/dir', 'nfs', false],
] as const)
  test(`same source: ${title}`, (t) => {
    const entry = { source: mounted, fstype } as Parameters<typeof isSameCifsSource>[1];
    t.is(isSameCifsSource({ source: '\\\\srv\\Share\\dir\\' }, entry), isSame);
  });

const policies: readonly (readonly [
  options: string,
  policy: Partial<Manifest['policy']>,
  subject: string | undefined,
])[] = [
  ...(
    [
      'credentials=/x',
      'cred=/x',
      'password2=x',
      'source=//srv/other',
      'unc=//srv/other',
      'target=//srv/other',
      'path=//srv/other',
      'prefixpath=other',
      'sec=krb5',
      'sec=krb5i',
      'cruid=0',
      'multiuser',
      'vers=1.0',
      'x-mount.subdir',
    ] as const
  ).map((option) => [option, {}, ''] as const),
  ['username=a,password=b,domain=c,uid=1,file_mode=0600,seal,sec=ntlmssp,vers=3,ip=10.0.0.5', {}, undefined],
  ['vers=3.11', { options: { cifs: { forbidden: ['vers=3.1.1'] } } }, 'vers=3.1.1'],
  ['vers=3.02', { options: { cifs: { allowed: ['vers=3.0.2'] } } }, undefined],
  ['vers=3.0', { options: { cifs: { allowed: ['vers=3.0.2'] } } }, 'vers'],
  ['vers=2.1', { options: { cifs: { required: ['vers=3'] } } }, 'vers=3'],
  ['vers=3.1.1', { options: { cifs: { required: ['vers=3'] } } }, undefined],
  ['pass=a', { options: { cifs: { forbidden: ['password'] } } }, 'password'],
  ['', { options: { cifs: { required: ['seal'] } } }, 'seal'],
  ['', { sources: [{ server: 'srv', path: '/share' }] }, undefined],
  ['', { sources: [{ server: 'srv', path: '/other' }] }, '//srv/share'],
  ['ip=10.0.0.9', { sources: [{ server: 'srv', path: '/share' }] }, '//srv/share'],
  ['ip=10.0.0.9', { sources: [{ server: 'srv' }, { server: '10.0.0.0/24', path: '/share' }] }, undefined],
  ['', { sources: [{ volume: 'share' }] }, '//srv/share'],
];

for (const [options, policy, subject] of policies)
  test(`policy: ${options} ${JSON.stringify(policy)}`, (t) => {
    const error = refusal('//srv/share', options, policy);
    t.is(error?.errorClass, subject === undefined ? undefined : 'policy');
    if (subject !== undefined && subject !== '') t.is(error?.subject, subject);
  });
