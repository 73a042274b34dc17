import test from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { parseMountArguments } from '../../../src/mount/arguments/argv.ts';
import { toMountRequest } from '../../../src/mount/arguments/request.ts';
import { describePlan, planAsJson } from '../../../src/mount/show.ts';
import { manifest, planFor, planOf, target } from '../../support/model/node-model.ts';

const kindsOf = (...argv: readonly string[]) => planFor(...argv).steps.map((step) => step.kind);
const nfs = (options: string) => kindsOf('-t', 'nfs', '-o', options, 'srv:/x', target);

test('a v4 mount starts no daemon', (t) => {
  const expected = [
    'checkHelper',
    'checkTarget',
    'copyNodeFiles',
    'checkServer',
    'runHelper',
    'verifyMounted',
    'setReadAhead',
    'attach',
  ];
  for (const options of [
    'vers=4',
    'nfsvers=4.1',
    'v4.2',
    'vers=4,minorversion=1',
    'hard,nfsvers=4.1,ro',
    'vers=4.0',
  ]) {
    t.deepEqual(nfs(options), expected, options);
  }
  t.deepEqual(kindsOf('-t', 'nfs4', 'srv:/x', target), expected);
});

test('a v3 mount with locks has its lock services before the helper runs', (t) => {
  for (const options of [
    'vers=3',
    'nfsvers=3',
    'v3',
    'mountvers=3',
    'mountport=0',
    'nolock,lock,vers=3',
    'vers=3,proto=tcp',
  ]) {
    t.deepEqual(
      nfs(options),
      [
        'checkHelper',
        'checkTarget',
        'copyNodeFiles',
        'checkServer',
        'provideLockServices',
        'runHelper',
        'verifyMounted',
        'setReadAhead',
        'attach',
      ],
      options,
    );
  }
  t.deepEqual(
    kindsOf('-t', 'nfs4', '-o', 'vers=3', 'srv:/x', target),
    kindsOf('-t', 'nfs', '-o', 'vers=3', 'srv:/x', target),
  );
});

test('nolock needs no lock services', (t) => {
  for (const options of ['nolock', 'vers=3,nolock', 'lock,nolock,vers=3']) {
    t.deepEqual(
      nfs(options),
      [
        'checkHelper',
        'checkTarget',
        'copyNodeFiles',
        'checkServer',
        'runHelper',
        'verifyMounted',
        'setReadAhead',
        'attach',
      ],
      options,
    );
  }
});

test('without a version the lock services are asked after the mount, in case it became v3', (t) => {
  const expected = [
    'checkHelper',
    'checkTarget',
    'copyNodeFiles',
    'checkServer',
    'runHelper',
    'verifyMounted',
    'provideLockServicesIfVersion3',
    'setReadAhead',
    'attach',
  ];
  for (const options of ['ro', 'hard,timeo=600', 'context="a:vers=3,c1"'])
    t.deepEqual(nfs(options), expected, options);
});

for (const [options, purposes] of [
  ['sec=krb5', ['kerberos', 'names']],
  ['vers=3,sec=krb5', ['kerberos']],
  ['vers=4.2,sec=sys:krb5p', ['kerberos', 'names']],
  ['vers=4.2,xprtsec=mtls,sec=krb5i', ['kerberos', 'names', 'tls']],
  ['vers=4.1,xprtsec=tls', ['tls']],
  ['sec=sys,xprtsec=none', []],
  ['context=a:sec=krb5', []],
] as const)
  test(`${options}: services of ${purposes.join(', ') || 'nothing'} before the helper`, (t) => {
    const { steps } = planFor('-t', 'nfs', '-o', options, 'srv:/x', target);
    const kinds = steps.map(({ kind }) => kind);
    const provided = steps.flatMap((step) => (step.kind === 'provideSecurityServices' ? step.purpose : []));
    t.deepEqual(provided, [...purposes]);
    t.true(kinds.lastIndexOf('provideSecurityServices') < kinds.indexOf('runHelper'));
  });

test('glusterfs needs /dev/fuse', (t) => {
  const plan = planFor('-t', 'glusterfs', '-o', 'auto_unmount,log-level=ERROR', '10.0.0.1:vol', target);
  t.deepEqual(
    plan.steps.map((s) => s.kind),
    [
      'checkHelper',
      'checkDevice',
      'checkTarget',
      'copyNodeFiles',
      'checkServer',
      'runHelper',
      'verifyMounted',
      'attach',
    ],
  );
});

test('glusterfs alone leaves a daemon, which is no root', (t) => {
  for (const [fstype, source, leavesDaemon] of [
    ['nfs', 'srv:/x', false],
    ['nfs4', 'srv:/x', false],
    ['glusterfs', 'srv:vol', true],
  ] as const) {
    const plan = planFor('-t', fstype, source, target);
    t.is(plan.leavesDaemon, leavesDaemon);
    t.is(plan.privileges.user !== 0, leavesDaemon);
    t.deepEqual(plan.privileges.capabilities, ['SYS_ADMIN', 'NET_BIND_SERVICE']);
  }
});

test('every step of a plan is shown in a line of its own', (t) => {
  for (const plan of [
    planFor('-t', 'nfs', 'srv:/x', target),
    planFor('-t', 'nfs', '-o', 'vers=3', 'srv:/x', target),
    planFor('-t', 'glusterfs', '-o', 'log-file=/var/lib/kubelet/v.log', 'srv:vol', target),
  ]) {
    const lines = describePlan(plan).trimEnd().split('\n').slice(1);
    t.is(new Set(lines).size, plan.steps.length, lines.join('\n'));
    t.regex(lines.at(-1) ?? '', /attach it to the target, unless it was made there$/);
  }
});

test('options reach the helper byte for byte and in their order', (t) => {
  const options = 'zeta,alpha=1,,context="system_u:object_r:x:s0:c1,c2",ro,alpha=2';
  const step = planFor('-t', 'nfs', '-o', options, '[fd00::5]:/x y', target).steps.find(
    (s) => s.kind === 'runHelper',
  );
  t.deepEqual(step?.argv, ['/sbin/mount.nfs', '[fd00::5]:/x y', target, '-o', options]);
});

test('flags come as mount(8) hands them to a helper', (t) => {
  const step = planFor('-vsnf', '-t', 'nfs', 'srv:/x', target).steps.find((s) => s.kind === 'runHelper');
  t.deepEqual(step?.argv, ['/sbin/mount.nfs', 'srv:/x', target, '-s', '-f', '-n', '-v']);
});

test('a fake mount starts nothing, verifies nothing and attaches nothing', (t) => {
  t.deepEqual(kindsOf('-f', '-t', 'nfs', '-o', 'vers=3', 'srv:/x', target), [
    'checkHelper',
    'checkTarget',
    'runHelper',
  ]);
});

test('a trailing slash of the target is no part of it', (t) => {
  t.is(planFor('-t', 'nfs', 'srv:/x', `${target}//`).target, target);
});

const refusals: readonly (readonly [
  title: string,
  argv: readonly string[],
  subject: string | undefined,
  message: RegExp,
])[] = [
  ['no type', ['srv:/x', target], undefined, /no filesystem type/],
  ['nothing', ['-t', 'nfs'], undefined, /no source/],
  ['no target', ['-t', 'nfs', 'srv:/x'], 'srv:/x', /no target/],
  ['no target of a volume', ['-t', 'glusterfs', '[fd00::5]:vol'], '[fd00::5]:vol', /no target/],
  ['no source', ['-t', 'nfs', target], undefined, /no source/],
  ['a relative target', ['-t', 'nfs', 'srv:/x', 'pods/v'], 'pods/v', /relative/],
  ['.. in the target', ['-t', 'nfs', 'srv:/x', '/var/lib/kubelet/../x'], '/var/lib/kubelet/../x', /"\.\."/],
  [
    'a target outside',
    ['-t', 'nfs', 'srv:/x', '/mnt'],
    '/mnt',
    /not below a directory that volumes may be mounted in/,
  ],
  [
    'the kubelet directory itself',
    ['-t', 'nfs', 'srv:/x', '/var/lib/kubelet'],
    '/var/lib/kubelet',
    /not below/,
  ],
  [
    'a neighbour of the kubelet directory',
    ['-t', 'nfs', 'srv:/x', '/var/lib/kubelet2/x'],
    '/var/lib/kubelet2/x',
    /not below/,
  ],
  ['a type the manifest lacks', ['-t', 'ntfs', 'srv:/x', target], 'ntfs', /not offered/],
  [
    'a type named like an object property',
    ['-t', 'constructor', 'srv:/x', target],
    'constructor',
    /not offered/,
  ],
  ['a list of types', ['-t', 'nfs,nfs4', 'srv:/x', target], 'nfs,nfs4', /not offered/],
  ['a source that begins with -', ['-t', 'nfs', '--', '-o', target], '-o', /begins with "-"/],
  ['a newline in the source', ['-t', 'nfs', 'srv:/x\ny', target], 'srv:/x\\x0ay', /control character/],
  [
    'a NUL-like byte in the target',
    ['-t', 'nfs', 'srv:/x', `${target}\x01`],
    `${target}\\x01`,
    /control character/,
  ],
  [
    'a newline in the options',
    ['-t', 'nfs', '-o', 'ro\nrw', 'srv:/x', target],
    'options',
    /control character/,
  ],
  ['a source that was not UTF-8', ['-t', 'nfs', 'srv:/\ufffd', target], 'srv:/\ufffd', /UTF-8/],
];

for (const [title, argv, subject, message] of refusals) {
  test(`refused as a usage error: ${title}`, (t) => {
    const error = t.throws(() => planFor(...argv), { instanceOf: MounterError, message });
    t.is(error?.status, 1);
    t.is(error?.subject, subject);
    t.truthy(error?.hint);
  });
}

test('a type that the manifest takes away is no spelling mistake', (t) => {
  const { nfs, ...filesystems } = manifest.filesystems;
  t.truthy(nfs);
  const call = () =>
    planOf(toMountRequest(parseMountArguments(['-t', 'nfs', 'srv:/x', target])), {
      ...manifest,
      filesystems,
    });
  const error = t.throws(call, { instanceOf: MounterError });
  t.regex(
    error?.hint ?? '',
    /^this node is to mount none: filesystems\.nfs .*; offered are nfs4, glusterfs$/,
  );
});

test('a type that is nearly right is suggested', (t) => {
  const error = t.throws(() => planFor('-t', 'nsf', 'srv:/x', target), { instanceOf: MounterError });
  t.regex(error?.hint ?? '', /did you mean nfs\?/);
});

test('the plan that is shown has no secrets in it', (t) => {
  const plan = planFor('-t', 'nfs', '-o', 'ro,password=hunter2', 'srv:/x', target);
  for (const text of [describePlan(plan), planAsJson(plan)]) {
    t.false(text.includes('hunter2'));
    t.true(text.includes('ro,password=<masked>'));
  }
});
