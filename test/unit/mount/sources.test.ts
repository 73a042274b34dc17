import test from 'ava';
import { MounterError } from '../../../src/errors.ts';
import type { AllowedSource } from '../../../src/manifest/policy.ts';
import { parseMountArguments } from '../../../src/mount/arguments/argv.ts';
import { toMountRequest } from '../../../src/mount/arguments/request.ts';
import { parseAsker } from '../../../src/mount/policy/asker.ts';
import { checkSource } from '../../../src/mount/policy/sources.ts';
import { drivers, manifest, planOf, target } from '../../support/model/node-model.ts';

function refusal(
  fstype: string,
  source: string,
  options: string,
  sources: readonly AllowedSource[] | undefined,
  asker?: string,
): MounterError | undefined {
  const kind = fstype === 'glusterfs' ? 'glusterfs' : fstype.startsWith('nfs') ? 'nfs' : 'generic';
  try {
    const whom = asker === undefined ? {} : { asker: parseAsker(asker) };
    checkSource(drivers[kind], { fstype, source, target, options, ...whom }, sources);
    return undefined;
  } catch (error) {
    if (error instanceof MounterError) return error;
    throw error;
  }
}

type Case = readonly [source: string, options?: string, fstype?: string];

const cases: readonly (readonly [
  title: string,
  sources: readonly AllowedSource[],
  allowed: readonly Case[],
  refused: readonly Case[],
])[] = [
  ['nothing at all', [], [], [['srv:/x'], ['srv:vol', '', 'glusterfs'], ['//srv/x', '', 'cifs']]],
  [
    'a host name',
    [{ server: 'nfs.example' }],
    [
      ['nfs.example:/x'],
      ['NFS.Example.:/x'],
      ['[nfs.example]:/x'],
      ['nfs.example:/'],
      ['nfs.example:vol', '', 'glusterfs'],
    ],
    [
      ...['nfs.example.org:/x', 'xnfs.example:/x', 'nfs:/x', 'example:/x', 'nfs.example..:/x', 'nfs.example'],
      ...[
        'evil,nfs.example:/x',
        'nfs.example,evil:/x',
        '[nfs.example,evil]:/x',
        ' nfs.example:/x',
        ':/x',
        '[]:/x',
      ],
      ...[
        'nfs.e\u212aample:/x',
        'nfs.examp\u217ce:/x',
        'nfs．example:/x',
        '10.0.0.5:/x',
        'nfs://nfs.example/x',
      ],
      ...['[nfs.example:/x', 'nfs.example]:/x', 'evil/nfs.example:/x'],
    ].map((source): Case => [source]),
  ],
  ['case folds ASCII alone', [{ server: 'kube.example' }], [['KUBE.example:/x']], [['\u212aube.example:/x']]],
  [
    'a domain',
    [{ server: '*.Storage.example.' }],
    [['a.storage.example:/x'], ['a.b.storage.example.:/x']],
    [
      ['storage.example:/x'],
      ['.storage.example:/x'],
      ['astorage.example:/x'],
      ['a.storage.example.org:/x'],
      ['10.0.0.5:/x'],
    ],
  ],
  [
    'an address',
    [{ server: '10.0.0.5' }],
    [['10.0.0.5:/x'], ['[10.0.0.5]:/x'], ['[::ffff:10.0.0.5]:/x'], ['[::ffff:a00:5]:/x']],
    [
      ...[
        '10.0.0.50:/x',
        '010.0.0.5:/x',
        '10.5:/x',
        '167772165:/x',
        '0xa.0.0.5:/x',
        '10.0.0.5.:/x',
        '10.0.0.5.example:/x',
      ],
      ...['10.0.0.5,10.0.0.6:/x', '[::10.0.0.5]:/x', 'srv:/x'],
    ].map((source): Case => [source]),
  ],
  [
    'a range',
    [{ server: '10.1.0.0/16' }, { server: 'fd00::/8' }],
    [
      ['10.1.2.3:/x'],
      ['[fd12::1]:/x'],
      ['[FD12:0::1]:/x'],
      ['[::ffff:10.1.2.3]:/x'],
      ['fd00::5:vol', '', 'glusterfs'],
    ],
    [
      ...[
        '10.2.0.1:/x',
        '10.1.2:/x',
        '10.1:/x',
        '012.1.2.3:/x',
        '[fe80::1]:/x',
        'srv:/x',
        '10.1.2.3.nip.example:/x',
      ],
      ...['fd12::1:/x', 'fd12:/x'],
    ].map((source): Case => [source]),
  ],
  [
    'a path, on the borders of its parts',
    [{ server: 'srv', path: '/exports/a' }],
    [
      ['srv:/exports/a'],
      ['srv:/exports/a/'],
      ['srv://exports//a/b'],
      ['srv:/exports/./a'],
      ['srv:exports/a'],
    ],
    [
      ['srv:/exports'],
      ['srv:/exports/ab'],
      ['srv:/exports/A'],
      ['srv:/'],
      ['srv:'],
      ['other:/exports/a'],
      ['srv:exports', '', 'glusterfs'],
    ],
  ],
  [
    'a path of every server',
    [{ path: '/exports' }],
    [['any:/exports/x'], ['10.0.0.5:/exports']],
    [['any:/x']],
  ],
  ['the root of every server', [{ path: '/' }], [['any:/x'], ['any:/']], [['any:vol', '', 'glusterfs']]],
  [
    'server and path of one entry',
    [
      { server: 'a', path: '/a' },
      { server: 'b', path: '/b' },
    ],
    [['a:/a'], ['b:/b']],
    [['a:/b'], ['b:/a'], ['a,b:/a']],
  ],
  [
    'options that name another server',
    [{ server: 'srv', path: '/a' }, { server: '10.0.0.0/8' }],
    [
      ['srv:/a', 'mounthost=srv'],
      ['srv:/a', 'mountaddr=10.0.0.9'],
      ['srv:/a', 'addr=10.0.0.9,ro'],
    ],
    [
      ...['mounthost=evil', 'mountaddr=192.0.2.1', 'addr=192.0.2.1', 'MOUNTHOST=evil', '"mounthost=evil"'],
      ...['context="a,mounthost=evil"', 'mounthost=srv,mounthost=evil', 'mounthost=evil,mounthost=srv'],
      ...['mounthost', 'mounthost="srv"', 'mountaddr=012.0.0.9', 'source=evil:/x'],
    ].map((options): Case => ['srv:/a', options]),
  ],
  [
    'a volume',
    [{ server: 'g', volume: 'vol' }],
    [
      ['g:vol', '', 'glusterfs'],
      ['g:/vol/a/b', '', 'glusterfs'],
      ['g:vol.tcp', '', 'glusterfs'],
      ['g:vol', 'subdir-mount=a', 'glusterfs'],
      ['g:vol', 'backup-volfile-servers=g:g', 'glusterfs'],
    ],
    [
      ...(
        ['g:volx', 'g:other', 'g:', 'h:vol', 'g,h:vol', 'g:vol/a:b', 'g:other/vol', 'g:/snaps/vol/s'] as const
      ).map((source): Case => [source, '', 'glusterfs']),
      ...[
        ...['backup-volfile-servers=h', 'backup-volfile-servers=g:h', 'backup-volfile-servers=g:[h]'],
        ...['backupvolfile-server=h', 'BACKUP-VOLFILE-SERVERS=h', 'volume-name=other'],
        ...[
          'volfile=/x',
          'volume-id=other',
          'volfile-id=other',
          'backup-volfile-servers=h,backup-volfile-servers=g',
        ],
      ].map((options): Case => ['g:vol', options, 'glusterfs']),
      ['g:/vol'],
    ],
  ],
  [
    'a directory of a volume',
    [{ volume: 'vol/a' }],
    [
      ['g:vol/a', '', 'glusterfs'],
      ['g:vol/a/b', '', 'glusterfs'],
      ['g:vol', 'subdir-mount=a/b', 'glusterfs'],
      ['g:vol', 'subdir-mount=/a', 'glusterfs'],
    ],
    [
      ['g:vol', '', 'glusterfs'],
      ['g:vol/ab', '', 'glusterfs'],
      ['g:vol', 'subdir-mount=b', 'glusterfs'],
      ['g:vol/a', 'subdir-mount=b', 'glusterfs'],
      ['g:vol', 'subdir-mount="a"', 'glusterfs'],
      ['g:vol', 'subdir-mount=a,subdir-mount=b', 'glusterfs'],
    ],
  ],
  [
    'IPv6 backup servers in brackets',
    [{ server: 'fd00::/8' }],
    [['[fd00::1]:vol', 'backup-volfile-servers=[fd00::2]:[fd00::3]', 'glusterfs']],
    [
      ['[fd00::1]:vol', 'backup-volfile-servers=fd00::2', 'glusterfs'],
      ['[fd00::1]:vol', 'backup-volfile-servers=[fd00::2]:[fe80::3]', 'glusterfs'],
      ['[fd00::1]:vol', 'backup-volfile-servers=[fd00::2', 'glusterfs'],
    ],
  ],
  [
    'types',
    [{ server: 'srv', types: ['nfs4'] }, { types: ['cifs'] }],
    [
      ['srv:/x', '', 'nfs4'],
      ['//anything/at/all', 'ip=192.0.2.1', 'cifs'],
    ],
    [
      ['srv:/x', '', 'nfs'],
      ['srv:vol', '', 'glusterfs'],
      ['srv:/x', '', 'ceph'],
    ],
  ],
  ['a type whose sources nobody here can read', [{ server: 'srv' }], [], [['//srv/x', '', 'cifs']]],
];

for (const [title, sources, allowed, refused] of cases) {
  test(`policy.sources: ${title}`, (t) => {
    for (const [source, options = '', fstype = 'nfs'] of allowed)
      t.is(refusal(fstype, source, options, sources)?.message, undefined, `${fstype} ${source} ${options}`);
    for (const [source, options = '', fstype = 'nfs'] of refused) {
      const error = refusal(fstype, source, options, sources);
      t.like(error, { errorClass: 'policy', status: 1, subject: source }, `${fstype} ${source} ${options}`);
      t.regex(`${error?.message}`, /\(policy\.sources of the settings\)$/);
      t.truthy(error?.hint);
    }
  });
}

test('policy.sources: the hint says what is allowed, and how an address is written', (t) => {
  const sources = [
    { server: '10.0.0.0/8', path: '/x' },
    { volume: 'vol' },
    { server: 'fd00::/8' },
    { types: ['cifs'] },
  ];
  t.is(
    refusal('nfs', 'srv:/x', '', sources)?.hint,
    'mount one of those allowed: 10.0.0.0/8:/x, *:vol, [fd00::/8]:*; a range takes addresses alone, and no name',
  );
  t.regex(`${refusal('nfs', '10.1:/x', '', sources)?.hint}`, /^write the address as four decimal numbers/);
  t.is(
    refusal('nfs', 'srv:/x', 'mounthost=evil', [{ server: 'srv' }])?.message,
    'the server that mounthost names is none of those allowed on this node (policy.sources of the settings)',
  );
});

test('policy.sources: a plan is refused before it has a step', (t) => {
  const request = toMountRequest(parseMountArguments(['-t', 'nfs', 'evil:/x', target]));
  const policy = { ...manifest.policy, sources: [{ server: 'srv' }] };
  t.throws(() => planOf(request, { ...manifest, policy }), { message: /policy\.sources/ });
  t.notThrows(() => planOf(request, manifest));
});

/** Rules, and what each asker is told of srv:/x: undefined where it may have it. `-` is one that nobody has named. */
const askers: readonly (readonly [
  title: string,
  sources: readonly AllowedSource[] | undefined,
  told: Readonly<Record<string, RegExp | undefined>>,
])[] = [
  [
    'no rules',
    undefined,
    {
      '-': undefined,
      staging: undefined,
      'pod:a': undefined,
      pod: undefined,
      'inline:a': /is inline in a Pod/,
    },
  ],
  [
    'a rule for all',
    [{ server: 'srv' }],
    {
      '-': undefined,
      staging: undefined,
      'pod:a': undefined,
      pod: undefined,
      'inline:a': /is inline in a Pod/,
    },
  ],
  [
    'namespaces',
    [{ server: 'srv', namespaces: ['a', 'dev-*'] }],
    {
      '-': /^it is for Pods of some namespaces alone, and who asks is not known/,
      staging: undefined,
      'pod:a': undefined,
      'pod:dev-': /--asker/,
      'pod:dev-1': undefined,
      'pod:b': /^Pods of the namespace b may not have it/,
      'pod:aa': /^Pods of the namespace aa/,
      'pod:dev': /^Pods of the namespace dev/,
      pod: /^it is for Pods of some namespaces alone, and kubelet has not said/,
      'inline:a': /is inline in a Pod/,
      'inline:b': /^Pods of the namespace b/,
    },
  ],
  [
    'namespaces, and whoever is not known',
    [{ server: 'srv', namespaces: ['a', '@unknown'] }],
    {
      '-': undefined,
      pod: undefined,
      'pod:a': undefined,
      'pod:b': /namespace b/,
      'pod:unknown': /namespace/,
    },
  ],
  [
    'inline, for some',
    [
      { server: 'srv', namespaces: ['a'], inline: true },
      { server: 'srv', path: '/x', namespaces: ['b'] },
    ],
    {
      'inline:a': undefined,
      'pod:a': undefined,
      'pod:b': undefined,
      'inline:b': /is inline/,
      'inline:c': /namespace c/,
      inline: /kubelet has not said/,
    },
  ],
  ['inline, for all', [{ server: 'srv', inline: true }], { inline: undefined, 'inline:a': undefined }],
  [
    'inline, and all else',
    [{ server: 'other', inline: true }, { types: ['nfs'] }],
    { 'inline:a': /is inline/ },
  ],
  [
    'a namespace that may have everything',
    [{ namespaces: ['a'] }],
    { 'pod:a': undefined, 'pod:b': /namespace b/ },
  ],
  [
    'what nobody may have is not told by namespace',
    [{ server: 'other', namespaces: ['a'] }],
    {
      'pod:a': /^the source is none/,
      'pod:b': /^the source is none/,
      staging: /^the source is none/,
    },
  ],
];

for (const [title, sources, told] of askers) {
  test(`policy.sources, by who asks: ${title}`, (t) => {
    for (const [asker, words] of Object.entries(told)) {
      const error = refusal('nfs', 'srv:/x', '', sources, asker === '-' ? undefined : asker);
      if (words === undefined) t.is(error?.message, undefined, asker);
      else t.regex(`${error?.subject} ${error?.message}`.replace('srv:/x ', ''), words, asker);
    }
  });
}

test('a rule of another namespace is not shown', (t) => {
  const sources = [{ server: 'srv' }, { server: 'hidden', namespaces: ['secret'] }];
  const { message, hint } = refusal('nfs', 'evil:/x', '', sources, 'pod:a') ?? {};
  t.notRegex(`${message} ${hint}`, /hidden|secret/);
});

test('--asker: who can be none', (t) => {
  for (const asker of [
    '',
    'pods',
    'staging:a',
    'pod:',
    'pod:A',
    'pod:a/b',
    'inline:-a',
    `pod:${'a'.repeat(64)}`,
  ])
    t.like(refusal('nfs', 'srv:/x', '', [], asker), { subject: '--asker', status: 1 }, asker);
});

test('an inline volume is without setuid programs and devices, whatever its author writes', (t) => {
  const policy = {
    ...manifest.policy,
    sources: [{ server: 'srv', inline: true }],
    options: { allowed: ['suid'] },
  };
  const plan = (asker: string, options: string) =>
    planOf(
      toMountRequest(parseMountArguments(['--asker', asker, '-t', 'nfs', '-o', options, 'srv:/x', target])),
      { ...manifest, policy },
    ).options;
  t.is(plan('inline:a', 'suid'), 'suid,nosuid,nodev');
  t.is(plan('inline:a', ''), 'nosuid,nodev');
  t.is(plan('pod:a', 'suid'), 'suid');
  const free = { ...manifest, policy: { ...policy, options: {} } };
  const hiding = parseMountArguments(['--asker', 'inline', '-t', 'nfs', '-o', 'x\\', 'srv:/x', target]);
  t.throws(() => planOf(toMountRequest(hiding), free), { message: /backslash before a comma/ });
});
