import test from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { checkSettings, readSettings, settingsFile, storedSettings } from '../../../src/node/settings.ts';
import { HostModel } from '../../support/model/host-model.ts';
import { layout, manifest } from '../../support/model/node-model.ts';

function node(): HostModel {
  const host = new HostModel().file(layout.manifest, { inode: 7, size: 100, changedMs: 1000.5 });
  host.texts.set('/proc/self/mountinfo', '22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n');
  host.texts.set(layout.manifest, JSON.stringify(manifest));
  return host;
}

/** A node whose settings were remembered, with a manifest that can't be parsed again. */
async function rememberedNode(): Promise<HostModel> {
  const host = node();
  host.texts.set(settingsFile, (await checkSettings(host, layout)).text);
  host.texts.set(layout.manifest, 'not JSON');
  return host;
}

test('what was checked before is taken without looking at the manifest again', async (t) => {
  const { $schema, formatVersion, rootfs, mounts, enter, security, ...rest } = manifest;
  const { rpcbind, statd, startStatd } = manifest.daemons;
  const mounter = mounts.mounter.map(({ host, rootfs, propagation }) => ({ host, rootfs, propagation }));
  t.deepEqual(await readSettings(await rememberedNode(), layout), {
    ...rest,
    daemons: { rpcbind, statd, startStatd },
    mounts: { mounter },
    log: { ...rest.log, isLocal: true },
  });
});

for (const change of [{ inode: 8 }, { size: 101 }, { changedMs: 1000.6 }, { device: 2 }]) {
  test(`a manifest that has changed is read and checked: ${Object.keys(change)}`, async (t) => {
    const host = await rememberedNode();
    host.file(layout.manifest, { inode: 7, size: 100, changedMs: 1000.5, ...change });
    await t.throwsAsync(readSettings(host, layout), { instanceOf: MounterError, message: /not valid JSON/ });
  });
}

for (const [title, change] of [
  ['come', { size: 2 }],
  ['have changed', { inode: 9, size: 2 }],
  ['have changed', { inode: 8, size: 2, changedMs: 9 }],
  ['are gone', undefined],
] as const)
  test(`settings of the node's own that ${title}: ${JSON.stringify(change)}`, async (t) => {
    const host = node();
    if (title !== 'come') {
      host.file(layout.nodeSettings, { inode: 8, size: 2 });
      host.texts.set(layout.nodeSettings, '{"limits": {"mountSeconds": 7}}');
    }
    host.texts.set(settingsFile, (await checkSettings(host, layout)).text);
    t.is(storedSettings(host, layout)?.limits.mountSeconds, title === 'come' ? 110 : 7);
    if (change === undefined) host.remove(layout.nodeSettings);
    else {
      host.file(layout.nodeSettings, change);
      host.texts.set(layout.nodeSettings, '{"limits": {"mountSeconds": 8}}');
    }
    t.is(storedSettings(host, layout), undefined);
    t.is((await readSettings(host, layout)).limits.mountSeconds, change === undefined ? 110 : 8);
  });

test("a link that leads nowhere in the place of the node's own settings is an error, whatever was checked", async (t) => {
  const host = await rememberedNode();
  host.texts.set(layout.manifest, JSON.stringify(manifest));
  host.file(layout.nodeSettings, { kind: 'symlink' });
  const { stat } = host;
  host.stat = (path) => (path === layout.nodeSettings ? undefined : stat(path));
  t.is(storedSettings(host, layout), undefined);
  await t.throwsAsync(readSettings(host, layout), {
    instanceOf: MounterError,
    message: 'is a link that leads nowhere',
  });
  host.stat = stat;
  host.texts.set(layout.nodeSettings, '{"limits": {"mountSeconds": 8}}');
  t.is((await readSettings(host, layout)).limits.mountSeconds, 8);
});

test('another manifest by MOUNTER_MANIFEST is not taken for the remembered one', async (t) => {
  const host = await rememberedNode();
  host.file('/other.json', { inode: 7, size: 100, changedMs: 1000.5 });
  host.texts.set('/other.json', '{');
  await t.throwsAsync(readSettings(host, { ...layout, manifest: '/other.json' }), {
    message: /not valid JSON/,
  });
});

test('without anything remembered the manifest is read', async (t) => {
  const host = await rememberedNode();
  host.texts.delete(settingsFile);
  host.texts.set(layout.manifest, JSON.stringify(manifest));
  t.deepEqual((await readSettings(host, layout)).limits, manifest.limits);
});

test('a manifest that changes while it is read is not taken for checked', async (t) => {
  const host = node();
  const read = host.readText.bind(host);
  host.readText = (path) => {
    const text = read(path);
    if (path === layout.manifest) host.file(layout.manifest, { inode: 7, size: 100, changedMs: 1001 });
    return text;
  };
  host.texts.set(settingsFile, (await checkSettings(host, layout)).text);
  t.is(storedSettings(host, layout), undefined);
  host.texts.set(settingsFile, (await checkSettings(host, layout)).text);
  t.deepEqual(storedSettings(host, layout)?.limits, manifest.limits);
});
