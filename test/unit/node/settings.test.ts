import test from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { readSettings, settingsFile, settingsText } from '../../../src/node/settings.ts';
import { HostModel } from '../../support/model/host-model.ts';
import { layout, manifest } from '../../support/model/node-model.ts';

/** A node whose settings were remembered, with a manifest that can't be parsed again. */
function rememberedNode(): HostModel {
  const host = new HostModel().file(layout.manifest, { inode: 7, size: 100, changedMs: 1000.5 });
  host.texts.set(settingsFile, settingsText(host, layout, manifest, true) ?? '');
  host.texts.set(layout.manifest, 'not JSON');
  return host;
}

test('what was checked before is taken without looking at the manifest again', async (t) => {
  const { $schema, formatVersion, rootfs, mounts, enter, ...node } = manifest;
  t.deepEqual(await readSettings(rememberedNode(), layout), {
    ...node,
    mounts: { mounter: mounts.mounter },
    log: { ...node.log, isLocal: true },
  });
});

for (const change of [{ inode: 8 }, { size: 101 }, { changedMs: 1000.6 }, { device: 2 }]) {
  test(`a manifest that has changed is read and checked: ${Object.keys(change)}`, async (t) => {
    const host = rememberedNode();
    host.file(layout.manifest, { inode: 7, size: 100, changedMs: 1000.5, ...change });
    await t.throwsAsync(readSettings(host, layout), { instanceOf: MounterError, message: /not valid JSON/ });
  });
}

test('another manifest by MOUNTER_MANIFEST is not taken for the remembered one', async (t) => {
  const host = rememberedNode();
  host.file('/other.json', { inode: 7, size: 100, changedMs: 1000.5 });
  host.texts.set('/other.json', '{');
  await t.throwsAsync(readSettings(host, { ...layout, manifest: '/other.json' }), {
    message: /not valid JSON/,
  });
});

test('without anything remembered the manifest is read', async (t) => {
  const host = rememberedNode();
  host.texts.delete(settingsFile);
  host.texts.set(layout.manifest, JSON.stringify(manifest));
  t.deepEqual((await readSettings(host, layout)).limits, manifest.limits);
});
