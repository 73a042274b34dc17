import { readFileSync } from 'node:fs';
import test from 'ava';
import { describeOwnSettings, effectiveManifest, imageRules } from '../../../src/manifest/node-settings.ts';

const shipped = {
  path: 'rootfs-manifest.json',
  text: readFileSync(new URL('../../../rootfs-manifest.json', import.meta.url), 'utf8'),
};
const own = (text: string) => ({ path: '/home/node-settings.json', text });
const withOwn = (settings: unknown) => effectiveManifest(shipped, own(JSON.stringify(settings)));

test('what the node sets is in force, and all else is as it ships', (t) => {
  const before = effectiveManifest(shipped, undefined);
  const after = withOwn({
    enabled: false,
    limits: { doubtSeconds: 3, mountSeconds: 60 },
    filesystems: { nfs: null },
    policy: { sources: [{ server: 'nas' }] },
    resolver: null,
    mounts: { kubelet: [] },
  });
  const { nfs, ...filesystems } = before.filesystems;
  t.deepEqual(after, {
    ...before,
    enabled: false,
    limits: { ...before.limits, probeAfterSeconds: 3, mountSeconds: 60 },
    filesystems,
    policy: { ...before.policy, sources: [{ server: 'nas' }] },
    mounts: { ...before.mounts, kubelet: [] },
  });
  t.deepEqual(withOwn({}), before);
});

const refused: readonly (readonly [text: string, message: RegExp])[] = [
  ['', /^is empty$/],
  [' \n', /^is empty$/],
  ['{', /^not valid JSON: /],
  ['[]', /^is no JSON object$/],
  ['null', /^is no JSON object$/],
  ['{"enabled": true,\n "enabled": false}', /^enabled: stands there twice$/],
  ['{\n  "enabeld": false\n}', /^line 2: enabeld: there is no such setting; did you mean enabled\?$/],
  [
    '{\n"enter": "attach",\n"limits": {\n\n"mountSecond": 60 }}',
    /^line 5: limits\.mountSecond: there is no such setting; did you mean mountSeconds\?$/,
  ],
  [
    '{"enter": "attach",\n"mountSeconds": 60}',
    /^line 2: mountSeconds: there is no such setting; did you mean limits\.mountSeconds\?$/,
  ],
  ['{"limits":\n{"locks": "require"}}', /^line 2: limits\.locks: .*; did you mean policy\.locks\?$/],
  ['{"toString": 1}', /^line 1: toString: there is no such setting$/],
  ['{"limits": {"mountSeconds":\n0}}', /^line 1: limits\.mountSeconds: must be at least 0\.1 s$/],
  ['{\n"limits": {"mountSeconds": null}}', /^line 2: limits\.mountSeconds: is missing$/],
  ['{"enabled": true,\n"daemons": null}', /^line 2: daemons: is missing$/],
  [
    '{"policy": {"sources": [\n{"server": "a"},\n{"server": "b,c"}\n]}}',
    /^line 3: policy\.sources\.1\.server: must be a host name/,
  ],
  ['{"rootfs": {"name": "x"}}', /^line 1: rootfs: is the image's own, and no setting$/],
  ['{"filesystems": {\n"nfs": {"helper": "x"}}}', /^line 2: filesystems\.nfs\.helper: must be an absolute/],
  // A value of another type than the setting has.
  ['{"limits": {"mountSeconds": "60"}}', /^line 1: limits\.mountSeconds: must be a number, and is "60"$/],
  ['{"enabled": "false"}', /^line 1: enabled: must be true or false, and is "false"$/],
  ['{"log": "journal"}', /^line 1: log: must be an object, and is "journal"$/],
  ['{"log": {"file": {}}}', /^line 1: log\.file: must be a text in quotes, and is an object$/],
  [
    '{"resolver": {"nameservers": "1.1.1.1"}}',
    /^line 1: resolver\.nameservers: must be a list, and is "1\.1\.1\.1"$/,
  ],
  [
    '{"policy": {"portmapper": ["127.0.0.1",\n"10.0.0.300"]}}',
    /^line 2: policy\.portmapper\.1: must be an IP address$/,
  ],
  // The section has one like it, and another section one of that name.
  [
    '{"policy": {"images": [{"prefix": "*", "required": false}]}}',
    /^line 1: policy\.images\.0\.required: there is no such setting; did you mean require\?$/,
  ],
  // What is mistyped and null would take nothing away, and what was meant would stay.
  ['{"enabeld": null}', /^line 1: enabeld: there is no such setting; did you mean enabled\?$/],
  ['{"policy": {\n"source": null}}', /^line 2: policy\.source: .*; did you mean sources\?$/],
  ['{"policy": {"options":\n{"nsf": null}}}', /^line 2: policy\.options\.nsf: .*; did you mean nfs\?$/],
  [
    '{"limits": {"failureCache": null}}',
    /^line 1: limits\.failureCache: .*; did you mean failureCacheSeconds\?$/,
  ],
  [
    '{"filesystems": {\n"nsf": null}}',
    /^line 2: filesystems\.nsf: there is no such type as "nsf"; did you mean nfs\?$/,
  ],
  ['{"filesystems": {"NFS": null}}', /^line 1: filesystems\.NFS: .*; did you mean nfs\?$/],
  ['{"filesystems": {"nsf": {"readAheadKib": 512}}}', /^line 1: filesystems\.nsf: .*; did you mean nfs\?$/],
  [
    '{"policy": {"sources": [{"types": ["nfs"]},\n{"types": ["nfs4", "glusterf"]}]}}',
    /^line 2: policy\.sources\.1\.types: there is no such type as "glusterf"; did you mean glusterfs\?$/,
  ],
];
for (const [text, message] of refused)
  test(`refused: ${JSON.stringify(text)}`, (t) => {
    t.throws(() => effectiveManifest(shipped, own(text)), { message });
    t.like(
      t.throws(() => effectiveManifest(shipped, own(text))),
      { subject: '/home/node-settings.json', status: 2 },
    );
  });

test('where the manifest is the broken one, it is named', (t) => {
  const broken = { ...shipped, text: shipped.text.replace('"mountSeconds": 110', '"mountSeconds": 0') };
  const error = t.throws(() => effectiveManifest(broken, own('{"limits": {"mountSeconds": 60}}')));
  t.like(error, { subject: 'rootfs-manifest.json', message: 'limits.mountSeconds: must be at least 0.1 s' });
});

for (const [text, message] of [
  ['{"enter": "atach"}', 'enter: must be one of attach, chroot, namespace; did you mean attach?'],
  ['{"log": {"to": "jornal"}}', 'log.to: must be one of file, journal, none; did you mean journal?'],
  [
    '{"policy": {"portmapper": "loopbck"}}',
    'policy.portmapper: must be one of any, loopback, or a list; did you mean loopback?',
  ],
  ['{"enter": "x"}', 'enter: must be one of attach, chroot, namespace'],
] as const)
  test(`a word that is mistyped is answered with the nearest: ${text}`, (t) => {
    const error = t.throws(() => effectiveManifest(shipped, own(text)));
    t.is(error?.message, `line 1: ${message}`);
  });

test('a type of another image may be spoken of, and is told', (t) => {
  const ceph = { helper: '/sbin/mount.ceph', kind: 'generic', kernelFilesystem: 'ceph', devices: [] };
  const settings = {
    filesystems: { nfs: null, smb3: null, x: null },
    policy: { sources: [{ types: ['ceph', 'nfs4'] }] },
  };
  const manifest = withOwn(settings);
  const strangeTypes = (json: unknown) =>
    describeOwnSettings(own(JSON.stringify(json)), manifest).strangeTypes;
  t.deepEqual(strangeTypes(settings), [
    { setting: 'filesystems.x', type: 'x' },
    { setting: 'policy.sources.0.types', type: 'ceph' },
  ]);
  t.deepEqual(strangeTypes({ ...settings, filesystems: { ceph } }), []);
  t.deepEqual(describeOwnSettings(own('{"$schema": "x", "filesystems": {"x": null}}'), manifest).paths, [
    'filesystems.x',
  ]);
});

test('images that have to be signed: by the manifest with the settings over it, or by the settings alone', (t) => {
  const rule = (key: string) => ({ prefix: '*', keys: [key], require: true });
  const settings = (policy: unknown) => ({ path: 'own', text: JSON.stringify({ policy }) });
  const withImages = JSON.stringify({ ...JSON.parse(shipped.text), policy: { images: [rule('/shipped')] } });
  const asking = { path: 'shipped', text: withImages };
  t.deepEqual(imageRules(shipped, undefined), []);
  t.deepEqual(imageRules(asking, undefined), [rule('/shipped')]);
  t.deepEqual(imageRules(asking, settings({ images: [rule('/own')] })), [rule('/own')]);
  t.deepEqual(imageRules(undefined, settings({ images: [rule('/own')] })), [rule('/own')]);
  for (const nothing of [{}, { images: null }, { images: [] }, null, { locks: 'require' }])
    t.deepEqual(imageRules(undefined, settings(nothing)), []);
  t.deepEqual(imageRules(undefined, undefined), []);
  for (const below of [undefined, shipped])
    t.throws(() => imageRules(below, settings({ images: [{ prefix: '*' }] })), {
      message: 'line 1: policy.images.0: has no keys: name files, or say "require": false',
    });
});
