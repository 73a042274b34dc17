import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { MounterError } from '../../../src/errors.ts';
import { parseManifest } from '../../../src/manifest/manifest.ts';

const text = readFileSync(new URL('../../../rootfs-manifest.json', import.meta.url), 'utf8');

type Path = readonly (string | number)[];

/** The manifest with `value` at `path`; `undefined` takes the field away. */
function changed(path: Path, value: unknown): string {
  const manifest = JSON.parse(text);
  const last = path.at(-1) ?? '';
  const holder = path.slice(0, -1).reduce((at, key) => at[key], manifest);
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return JSON.stringify(manifest);
}

/** Each field there is, at any depth. */
function pathsOf(value: unknown): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    [key],
    ...pathsOf(inner).map((path) => [key, ...path]),
  ]);
}

test('a type that is null is one that the node does not have', (t) => {
  const { filesystems, ...others } = JSON.parse(text);
  const manifest = parseManifest(
    JSON.stringify({ ...others, filesystems: { ...filesystems, nfs: null } }),
    'x',
  );
  t.deepEqual(Object.keys(manifest.filesystems), ['nfs4', 'glusterfs']);
});

test('the one that ships is valid', (t) => {
  const manifest = parseManifest(text, 'm');
  t.is(manifest.filesystems.nfs?.helper, '/sbin/mount.nfs');
  t.deepEqual(manifest.mounts.mounter[0]?.optional, false);
});

const wrong: readonly (readonly [path: Path, value: unknown, message: RegExp])[] = [
  [['formatVersion'], 2, /^formatVersion: /],
  [['formatVersion'], undefined, /^formatVersion: /],
  [['surplus'], 1, /^surplus: /],
  [['limits', 'mountSeconds'], 0, /^limits\.mountSeconds: must be at least 0\.1 s$/],
  [['limits', 'mountSeconds'], 3601, /^limits\.mountSeconds: must be at most 3600 s$/],
  [['limits', 'daemonSeconds'], '10', /^limits\.daemonSeconds: /],
  [['limits', 'terminateSeconds'], null, /^limits\.terminateSeconds: /],
  [['filesystems', 'nfs', 'helper'], 'sbin/mount.nfs', /^filesystems\.nfs\.helper: must be an absolute path/],
  [
    ['filesystems', 'nfs', 'helper'],
    '/sbin/../mount.nfs',
    /^filesystems\.nfs\.helper: must be an absolute path/,
  ],
  [
    ['filesystems', 'nfs', 'helper'],
    '/sbin/mount\nnfs',
    /^filesystems\.nfs\.helper: must be an absolute path/,
  ],
  [['filesystems', 'nfs', 'kind'], 'NFS', /^filesystems\.nfs\.kind: /],
  [['filesystems', 'a b'], {}, /^filesystems\.a b: must be a filesystem type$/],
  [['rootfs', 'digest'], 'sha256:12', /^rootfs\.digest: must be "sha256:" and 64 hexadecimal digits$/],
  [['rootfs', 'packages', 0, 'sha256'], 'x', /^rootfs\.packages\.0\.sha256: must be 64 hexadecimal digits$/],
  [['rootfs', 'architecture'], 'm68k', /^rootfs\.architecture: /],
  [['daemons', 'statd', 'arguments'], '--no-notify', /^daemons\.statd\.arguments: /],
  [
    ['daemons', 'rpcbind', 'arguments'],
    ['-w', '-h\0'],
    /^daemons\.rpcbind\.arguments\.1: must have no NUL in it$/,
  ],
  [['mounts', 'mounter', 0, 'create'], '755', /^mounts\.mounter\.0\.create: must be an octal mode/],
  [['mounts', 'mounter', 1, 'host'], 7, /^mounts\.mounter\.1\.host: /],
  [['mounts', 'mounter', 0, 'propagation'], 'private', /^mounts\.mounter: needs a shared mount/],
  [['mounts', 'mounter'], [], /^mounts\.mounter: needs a shared mount/],
  [['enter'], 'jail', /^enter: /],
  ...[
    [
      { server: '10.1' },
      /^policy\.sources\.0\.server: must be a host name, \*\.DOMAIN, an IP address or a range/,
    ],
    [{ server: '10.1.2.3/16' }, /^policy\.sources\.0\.server: must be a host name/],
    [{ server: 'a*.example' }, /^policy\.sources\.0\.server: must be a host name/],
    [{ server: '[fd00::1]' }, /^policy\.sources\.0\.server: must be a host name/],
    [{ server: 'münchen.example' }, /^policy\.sources\.0\.server: must be a host name/],
    [{ server: '' }, /^policy\.sources\.0\.server: must be a host name/],
    [{ path: 'x' }, /^policy\.sources\.0\.path: must begin with a slash/],
    [{ path: '/x/../y' }, /^policy\.sources\.0\.path: must be a path without "\."/],
    [{ path: '/x/' }, /^policy\.sources\.0\.path: must be a path without repeated or trailing/],
    [{ path: '//' }, /^policy\.sources\.0\.path: must be a path without repeated or trailing/],
    [{ volume: '/vol' }, /^policy\.sources\.0\.volume: must be VOLUME or VOLUME\/DIRECTORY/],
    [{ volume: 'vol/..' }, /^policy\.sources\.0\.volume: must be a path without "\."/],
    [{ volume: 'vol', path: '/x' }, /^policy\.sources\.0: has both a path, for NFS, and a volume/],
    [{ types: [] }, /^policy\.sources\.0\.types: must name a type/],
    [{}, /^policy\.sources\.0: must say something/],
    [{ inline: true }, /^policy\.sources\.0: must say something/],
    [{ server: 'a', inline: 'yes' }, /^policy\.sources\.0\.inline: /],
    [{ namespaces: [] }, /^policy\.sources\.0\.namespaces: must name a namespace/],
    [{ namespaces: ['*'] }, /^policy\.sources\.0\.namespaces\.0: must be a namespace, PREFIX\*, or @unknown/],
    [{ namespaces: ['Team'] }, /^policy\.sources\.0\.namespaces\.0: must be a namespace/],
    [{ namespace: ['a'] }, /^policy\.sources\.0\.namespace: .*; did you mean namespaces\?$/],
    [{ host: 'srv' }, /^policy\.sources\.0\.host: /],
  ].map(([entry, message]) => [['policy'], { sources: [entry] }, message] as [Path, unknown, RegExp]),
  ...[
    [{ prefix: 'registry.example' }, /^policy\.images\.0: has no keys/],
    [{ prefix: 'registry.example', keys: [] }, /^policy\.images\.0\.keys: must name a file/],
    [
      { prefix: 'registry.example', keys: ['key.pub'] },
      /^policy\.images\.0\.keys\.0: must be an absolute path/,
    ],
    [{ prefix: '*.example', keys: ['/key'] }, /^policy\.images\.0\.prefix: must be a registry/],
    [{ prefix: '', keys: ['/key'] }, /^policy\.images\.0\.prefix: must be a registry/],
    [{ keys: ['/key'] }, /^policy\.images\.0\.prefix: is missing/],
    [{ prefix: '*', key: '/key' }, /^policy\.images\.0\.key: .*did you mean keys/],
  ].map(([entry, message]) => [['policy'], { images: [entry] }, message] as [Path, unknown, RegExp]),
];
test('policy.images: prefixes of names, and files with keys', (t) => {
  const images = [
    { prefix: '*', keys: ['/etc/keys/any.pub'] },
    { prefix: 'registry.example:5000/team', keys: ['/a', '/b'], require: true },
    { prefix: 'registry.example/open/', require: false },
    { prefix: '[fd00::1]:5000', keys: ['/a'] },
  ];
  const parsed = parseManifest(changed(['policy'], { images }), 'm').policy.images;
  t.deepEqual(
    parsed,
    images.map((image) => ({ require: true, ...image })),
  );
});

test('policy.sources takes names, domains, addresses and ranges', (t) => {
  const sources = [
    ...[
      'srv',
      'srv.example.',
      '*.example',
      '10.0.0.5',
      '10.0.0.0/8',
      'fd00::5',
      'fd00::/8',
      'fe80::1%eth0',
    ].map((server) => ({ server })),
    ...[{ path: '/' }, { path: '/a/b' }, { volume: 'vol' }, { volume: 'vol/a/b' }, { types: ['nfs'] }],
    ...[{ namespaces: ['team-a', 'dev-*', '@unknown'], inline: true }],
  ];
  t.deepEqual(parseManifest(changed(['policy'], { sources }), 'm').policy.sources, sources);
  t.is(parseManifest(text, 'm').policy.sources, undefined);
});

for (const [title, change, message] of [
  ['a mistyped setting', { enterr: 'chroot' }, /^enterr: there is no such setting; did you mean enter\?$/],
  ['one like no other', { zzz: 1 }, /^zzz: there is no such setting$/],
  [
    'a mistyped setting of a section',
    { log: { too: 'none' } },
    /^log\.too: there is no such setting; did you mean to\?$/,
  ],
  [
    'a setting that has to be there',
    { limits: { mountSecond: 1, daemonSeconds: 1, terminateSeconds: 1 } },
    /^limits\.mountSeconds: is missing; mountSecond is there instead$/,
  ],
  ['none like it', { limits: {} }, /^limits\.mountSeconds: is missing$/],
] as const) {
  test(`names the setting that was meant: ${title}`, (t) => {
    const whole = JSON.stringify({ ...JSON.parse(text), ...change });
    t.throws(() => parseManifest(whole, '/m.json'), { instanceOf: MounterError, message });
  });
}

for (const [path, value, message] of wrong) {
  test(`names the field: ${path.join('.')} = ${JSON.stringify(value)}`, (t) => {
    const error = t.throws(() => parseManifest(changed(path, value), '/m.json'), {
      instanceOf: MounterError,
      message,
    });
    t.is(error?.subject, '/m.json');
    t.is(error?.status, 2);
    t.truthy(error?.hint);
  });
}

for (const whole of ['', '{', 'null', '[]', '7', '"x"', '\ufeff{}', '{"__proto__": {}}', `${text}x`]) {
  test(`not a manifest: ${JSON.stringify(whole.slice(-20))}`, (t) => {
    t.throws(() => parseManifest(whole, '/m.json'), { instanceOf: MounterError });
  });
}

for (const path of ['/..', '/../etc', '/.', '/run/', '//run', '/a//b']) {
  test(`a path that leads elsewhere or has two forms is refused: ${path}`, (t) => {
    t.throws(() => parseManifest(changed(['mounts', 'mounter', 4, 'rootfs'], path), 'm'), {
      instanceOf: MounterError,
    });
  });
}

test('whatever is changed in it: a manifest or a MounterError on one line, nothing else', (t) => {
  const paths = pathsOf(JSON.parse(text));
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.string(),
    fc.constant(undefined),
    fc.constantFrom('__proto__', 'constructor', '/\0', '/a\n/../b', -1, 1e308, [[]], {}),
  );
  fc.assert(
    fc.property(fc.constantFrom(...paths), anything, (path, value) => {
      try {
        parseManifest(changed(path, value), '/m.json');
      } catch (error) {
        if (!(error instanceof MounterError)) throw error;
        t.is(error.status, 2);
      }
    }),
    { numRuns: 2000 },
  );
});

test('whatever text it is: a MounterError', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (anyText) => {
      t.throws(() => parseManifest(anyText, '/m.json'), { instanceOf: MounterError });
    }),
  );
});

test('settings that were renamed are read by their old names', (t) => {
  const old = changed(['limits'], { ...JSON.parse(text).limits, doubtSeconds: 2, rememberSeconds: 7 });
  const { limits } = parseManifest(old, 'm');
  t.is(limits.probeAfterSeconds, 2);
  t.is(limits.failureCacheSeconds, 7);
  const both = changed(['limits'], { ...JSON.parse(text).limits, doubtSeconds: 2, probeAfterSeconds: 3 });
  t.throws(() => parseManifest(both, 'm'), { message: /limits\.doubtSeconds: there is no such setting/ });
});
