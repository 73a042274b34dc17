import { Ajv } from 'ajv';
import test from 'ava';
import { manifestJsonSchema, nodeSettingsJsonSchema } from '../../../scripts/settings-schema.ts';
import { effectiveManifest } from '../../../src/manifest/node-settings.ts';
import { meanings } from '../../../src/manifest/settings-list.ts';
import { shippedText } from '../../../src/manifest/shipped.ts';

const ajv = new Ajv({ strict: false, validateFormats: false });
const isManifest = ajv.compile(manifestJsonSchema());
const areSettings = ajv.compile(nodeSettingsJsonSchema());

function isTaken(settings: unknown): boolean {
  try {
    effectiveManifest(
      { path: 'shipped', text: shippedText },
      { path: 'own', text: JSON.stringify(settings) },
    );
    return true;
  } catch {
    return false;
  }
}

const cases: readonly (readonly [settings: unknown, isValid: boolean])[] = [
  [{}, true],
  [{ $schema: 'node-settings.schema.json', enabled: false, enter: 'chroot' }, true],
  [{ enabled: null, resolver: null, policy: null, log: { file: null } }, true],
  [{ limits: { mountSeconds: 60 }, filesystems: { nfs: null } }, true],
  [{ filesystems: { nfs: { kernelModule: null, devices: ['/dev/fuse'] } } }, true],
  [{ policy: { sources: [{ server: 'a', namespaces: ['b'], inline: true }, { types: ['nfs'] }] } }, true],
  [{ policy: { sources: null, options: { nfs: { forbidden: null, required: ['vers=4.2'] } } } }, true],
  [{ policy: { portmapper: ['10.0.0.1'] }, mounts: { kubelet: [] } }, true],
  [[], false],
  [null, false],
  [{ enabeld: false }, false],
  [{ rootfs: { name: 'x' } }, false],
  [{ limits: { mountSeconds: null } }, false],
  [{ limits: { mountSeconds: '60' } }, false],
  [{ limits: { mountSecond: 60 } }, false],
  [{ daemons: null }, false],
  [{ filesystems: null }, false],
  [{ filesystems: { nfs: { helper: 'x' } } }, false],
  [{ filesystems: { nfs: { helper: null } } }, false],
  [{ policy: { sources: [{ server: 'a', namespace: ['b'] }] } }, false],
  [{ policy: { sources: [{ server: 'a', inline: null }] } }, false],
  [{ policy: { sources: [{ server: 'a', namespaces: ['B'] }] } }, false],
  // A list is replaced as a whole.
  [{ mounts: { mounter: [{ rootfs: '/x' }] } }, false],
];

for (const [settings, isValid] of cases)
  test(`${isValid ? 'taken' : 'refused'} by the schema and by the node alike: ${JSON.stringify(settings)}`, (t) => {
    t.is(areSettings(settings), isValid, JSON.stringify(areSettings.errors));
    t.is(isTaken(settings), isValid);
  });

test('an editor shows what a setting means', (t) => {
  for (const schema of [manifestJsonSchema(), nodeSettingsJsonSchema()]) {
    const text = JSON.stringify(schema);
    for (const [name, meaning] of Object.entries(meanings))
      t.true(text.includes(JSON.stringify(meaning)), name);
  }
});

test('what ships is a manifest, and settings are none', (t) => {
  t.true(isManifest(JSON.parse(shippedText)), JSON.stringify(isManifest.errors));
  t.false(isManifest({ enabled: false }));
});
