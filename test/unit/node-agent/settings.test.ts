import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { formatError, MounterError } from '../../../src/errors.ts';
import { exitCode } from '../../../src/exit-codes.ts';
import { manifestSchema, parseManifest } from '../../../src/manifest/manifest.ts';
import { applySettings, parseSettings } from '../../../src/node-agent/settings.ts';

const text = readFileSync(new URL('../../../rootfs-manifest.json', import.meta.url), 'utf8');
const apply = (settings: unknown) => applySettings(text, JSON.stringify(settings), 'settings.json');

test('no settings leave the very same text', (t) => {
  for (const none of ['', ' \n', '{}', '{ }\n']) t.is(applySettings(text, none, 's').text, text);
});

test('objects are merged, all else is replaced', (t) => {
  const before = parseManifest(text, 'x');
  const { manifest } = apply({
    enabled: false,
    limits: { mountSeconds: 60 },
    policy: { portmapper: ['192.0.2.1'], options: { required: ['nosuid'] } },
  });
  t.false(manifest.enabled);
  t.deepEqual(manifest.limits, { ...before.limits, mountSeconds: 60 });
  t.deepEqual(manifest.policy, {
    ...before.policy,
    portmapper: ['192.0.2.1'],
    options: { required: ['nosuid'] },
  });
  t.deepEqual(manifest.mounts, before.mounts);
  t.deepEqual(manifest.daemons, before.daemons);
});

test('a type that is null is offered no more', (t) => {
  const { text: merged, manifest } = apply({ filesystems: { nfs: null } });
  t.deepEqual(Object.keys(manifest.filesystems), ['nfs4', 'glusterfs']);
  t.deepEqual(parseManifest(merged, 'x'), manifest);
  t.throws(() => apply({ filesystems: { nsf: null } }), { message: both('filesystems.nsf', none) });
});

test('the read-ahead of a type is no program, and merged with what the image says of the type', (t) => {
  const { nfs } = parseManifest(text, 'x').filesystems;
  const { manifest } = apply({ filesystems: { nfs: { readAheadKib: 4096 }, nfs4: null } });
  t.deepEqual(manifest.filesystems.nfs, { ...nfs, readAheadKib: 4096 });
  t.throws(() => apply({ filesystems: { nfs: { readAheadKib: 99_999 } } }), {
    message: 'filesystems.nfs.readAheadKib: must be at most 16384 KiB',
  });
  t.throws(() => apply({ filesystems: { nfs: { readAheadKib: 1, helper: '/x' } } }), { message: program });
});

test('applied to its own result it changes nothing; what is printed is what is parsed', (t) => {
  const section = fc.record(
    {
      enabled: fc.boolean(),
      limits: fc.record(
        { mountSeconds: fc.integer({ min: 1, max: 3600 }), terminateSeconds: fc.integer({ min: 1, max: 9 }) },
        { requiredKeys: [] },
      ),
      policy: fc.record(
        { locks: fc.constantFrom('require', 'allow-nolock', 'add-nolock') },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(section, (settings) => {
      const once = apply(settings);
      const again = applySettings(once.text, JSON.stringify(settings), 's');
      t.is(again.text, once.text);
      t.deepEqual(parseManifest(once.text, 'x'), once.manifest);
    }),
    { numRuns: 50 },
  );
});

/** Why a setting is refused, whatever its value. */
const program = /: a ConfigMap may not set this: it chooses a program that runs as root on every node$/;
const hostFiles = /: a ConfigMap may not set this: it chooses what of the host's files is in the rootfs$/;
const ofTheImage = /: a ConfigMap may not set this: it is the image's own$/;
const none = /: there is no such setting$/;
const deep = (levels: number) => `{"limits": ${'['.repeat(levels)}${']'.repeat(levels)}}`;
const both = (path: string, why: RegExp) => new RegExp(`^${path.replaceAll('.', '\\.')}${why.source}`);

const refused: readonly (readonly [settings: string, message: RegExp])[] = [
  ['{', /^not valid JSON: /],
  ['[]', /^is no JSON object$/],
  ['null', /^is no JSON object$/],
  ['"enabled"', /^is no JSON object$/],
  ['{"rootfs": {"digest": "x"}}', both('rootfs.digest', ofTheImage)],
  ['{"formatVersion": 2}', both('formatVersion', ofTheImage)],
  ['{"$schema": "x"}', /^\$schema: a ConfigMap may not set this: it is the image's own$/],
  ['{"enabeld": false}', both('enabeld', none)],
  ['{"limits": {"mountSecond": 1}}', both('limits.mountSecond', none)],
  ['{"enabled": "no"}', /^enabled: /],
  ['{"enabled": null}', /^enabled: /],
  ['{"enabled": [false]}', /^enabled: /],
  ['{"limits": {"mountSeconds": 0}}', /^limits\.mountSeconds: /],
  ['{"limits": null}', /^limits: /],
  ['{"limits": [60]}', /^limits/],
  ['{"__proto__": {"enabled": false}}', both('__proto__', none)],
  ['{"limits": {"__proto__": {"mountSeconds": 1}}}', both('limits.__proto__', none)],
  ['{"policy": {"options": {"nfs": {"constructor": 1}}}}', both('policy.options.nfs.constructor', none)],
  ['{"toString": 1}', both('toString', none)],
  ['{"enabled": true, "enabled": false}', /^enabled: stands there twice$/],
  ['{"enabled": true, "\\u0065nabled": false}', /^enabled: stands there twice$/],
  [
    '{"log": {"to": "none"}, "limits": {"mountSeconds": 9, "mountSeconds": 8}}',
    /^limits\.mountSeconds: stands there twice$/,
  ],
  [deep(17), /^is nested in more than 16 levels$/],
  [deep(30_000), /^is nested in more than 16 levels$/],
  [`{"enabled": false, "x": "${'x'.repeat(65_536)}"}`, /^is longer than 64 KiB$/],
  ['{"daemons": {"rpcbind": {"path": "/bin/sh"}}}', both('daemons.rpcbind.path', program)],
  ['{"daemons": {"statd": {"arguments": ["-c", "id"]}}}', both('daemons.statd.arguments', program)],
  ['{"daemons": {"startStatd": "/bin/sh"}}', both('daemons.startStatd', program)],
  ['{"daemons": {}}', both('daemons', program)],
  ['{"daemons": null}', both('daemons', program)],
  [
    '{"enabled": true, "filesystems": {"nfs": {"helper": "/bin/sh"}}}',
    both('filesystems.nfs.helper', program),
  ],
  ['{"filesystems": {"x": {}}}', both('filesystems.x', program)],
  ['{"filesystems": {"nfs4": null, "nfs": {"kind": "nfs"}}}', both('filesystems.nfs.kind', program)],
  ['{"filesystems": null}', both('filesystems', program)],
  ['{"filesystems": []}', both('filesystems', program)],
  ['{"mounts": {"mounter": [{"host": "/", "rootfs": "/mnt"}]}}', both('mounts.mounter', hostFiles)],
  ['{"mounts": {"kubelet": []}}', both('mounts.kubelet', hostFiles)],
  ...['/etc/cron.d/x', '/var/log/auth.log', '/var/log/containerized-mounter/a/b'].map(
    (file) =>
      [
        `{"log": {"file": "${file}"}}`,
        /^log\.file: a ConfigMap may not set this to a file that is not directly in /,
      ] as const,
  ),
  ['{"log": {"file": "/var/log/containerized-mounter/../auth.log"}}', /^log\.file: /],
  [
    '{"policy": {"options": {"forbidden": []}}}',
    /^policy\.options\.forbidden: a ConfigMap may not set this without "@default"/,
  ],
  [
    '{"policy": {"options": {"forbidden": ["nolock"]}}}',
    /^policy\.options\.forbidden: .* without "@default"/,
  ],
  [
    '{"policy": {"options": {"glusterfs": {"forbidden": ["x"]}}}}',
    /^policy\.options\.glusterfs\.forbidden: .* without "@default"/,
  ],
  [
    '{"policy": {"images": []}}',
    /^policy\.images: a ConfigMap may not set this: it says whose images run as root/,
  ],
  ['{"policy": {"portmapper": "0.0.0.0 -x"}}', /^policy\.portmapper/],
  ['{"resolver": {"nameservers": ["10.0.0.1\\noptions x"]}}', /^resolver\.nameservers/],
  ['{"resolver": {"searches": ["a b"]}}', /^resolver\.searches/],
];
for (const [settings, message] of refused) {
  test(`refused: ${settings.slice(0, 80)} (${settings.length})`, (t) => {
    const error = t.throws(() => applySettings(text, settings, 'settings.json'), { message });
    t.like(error, { subject: 'settings.json', status: exitCode.system });
    t.regex((error as MounterError).hint ?? '', /./);
    t.is(formatError(error as MounterError).split('\n').length, 3, 'one line, and one hint');
    const printed = t.throws(() => parseSettings(settings, 'FILE', exitCode.usage), { message });
    t.like(printed, { subject: 'FILE', status: exitCode.usage, hint: (error as MounterError).hint });
  });
}

const taken: readonly unknown[] = [
  { enabled: false },
  { enter: 'chroot' },
  { limits: { connectSeconds: 1 } },
  { policy: { options: { forbidden: ['nolock', '@default'], nfs: { forbidden: ['@default'] } } } },
  { policy: { options: { glusterfs: { required: ['log-level'] } } } },
  { resolver: { mode: 'merge', nameservers: ['10.96.0.10'], searches: ['svc.cluster.local'] } },
  { filesystems: { nfs: null, nfs4: null } },
  { log: { to: 'journal', file: '/var/log/containerized-mounter/other.log', maximumBytes: 65536 } },
];
for (const settings of taken)
  test(`taken: ${JSON.stringify(settings)}`, (t) => t.notThrows(() => apply(settings)));

test('what a ConfigMap may set is a list: a new section of the manifest is not on it by itself', (t) => {
  const manifest = JSON.parse(text);
  const whole: Readonly<Record<string, unknown>> = { ...manifestSchema.entries, ...manifest };
  const mayBeSet = Object.keys(whole).filter((section) => {
    const value = manifest[section] ?? { enabled: true, $schema: 'x' }[section] ?? {};
    try {
      parseSettings(JSON.stringify({ [section]: value }), 'x', exitCode.system);
      return true;
    } catch {
      return false;
    }
  });
  t.deepEqual(mayBeSet.sort(), ['enabled', 'enter', 'limits', 'log', 'policy', 'resolver']);
});

test('a hint followed literally leads on', (t) => {
  const hintOf = (settings: string) =>
    (t.throws(() => parseSettings(settings, 'x', exitCode.system)) as MounterError).hint ?? '';
  t.is(hintOf('{"enabeld": false}'), 'did you mean enabled?');
  t.is(hintOf('{"limits": {"mountSecond": 1}}'), 'did you mean mountSeconds?');
  t.is(hintOf('{"mountSeconds": 1}'), 'did you mean limits.mountSeconds?');
  t.is(hintOf('{"limits": {"locks": "require"}}'), 'did you mean policy.locks?');
  t.regex(hintOf('{"daemons": {}}'), /write it to rootfs-manifest\.json, build the image again/);
  const [, file] = /name a file such as (\S+),/.exec(hintOf('{"log": {"file": "/etc/x"}}')) ?? [];
  t.notThrows(() => apply({ log: { file } }));
});

test('whatever it is, it is taken whole or refused with a message', (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (settings) => {
      try {
        apply(settings);
      } catch (error) {
        t.true(error instanceof MounterError);
      }
    }),
    { numRuns: 300 },
  );
});
