import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { applySettings } from '../../../src/node-agent/settings.ts';
import { parseManifest } from '../../../src/rootfs/manifest.ts';

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
    daemons: { rpcbind: { arguments: ['-w', '-h', '127.0.0.1'] } },
  });
  t.false(manifest.enabled);
  t.deepEqual(manifest.limits, { ...before.limits, mountSeconds: 60 });
  t.deepEqual(manifest.daemons, {
    ...before.daemons,
    rpcbind: { ...before.daemons.rpcbind, arguments: ['-w', '-h', '127.0.0.1'] },
  });
  t.deepEqual(manifest.mounts, before.mounts);
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

const refused: readonly (readonly [settings: string, message: RegExp])[] = [
  ['{', /^not valid JSON: /],
  ['[]', /^is no JSON object$/],
  ['null', /^is no JSON object$/],
  ['{"rootfs": {"digest": "x"}}', /^rootfs: is the image's own$/],
  ['{"formatVersion": 2}', /^formatVersion: is the image's own$/],
  ['{"enabeld": false}', /^enabeld: /],
  ['{"enabled": "no"}', /^enabled: /],
  ['{"limits": {"mountSeconds": 0}}', /^limits\.mountSeconds: /],
  ['{"limits": null}', /^limits: /],
  ['{"__proto__": {"enabled": false}}', /./],
];
for (const [settings, message] of refused) {
  test(`refused: ${settings}`, (t) => {
    const error = t.throws(() => applySettings(text, settings, 'settings.json'), { message });
    t.is((error as { subject?: string }).subject, 'settings.json');
  });
}
