import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { kubeletDirectoryOf } from '../../../src/csi/driver.ts';
import { shippedText } from '../../../src/manifest/shipped.ts';
import { layoutOf } from '../../../src/node/layout.ts';

test('its sockets are in the kubelet directory that the node itself has set', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'csi-driver-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const host = { pathOf: (path: string) => `${root}${path}`, call: async () => t.fail() as never };
  const found = () => kubeletDirectoryOf({ layout: layoutOf('/'), host });
  t.throws(found, { message: /no directory to mount volumes in/ });
  writeFileSync(join(root, 'rootfs-manifest.json'), shippedText);
  t.is(found(), '/var/lib/kubelet');
  const { mounts } = JSON.parse(shippedText);
  const mounter = JSON.parse(JSON.stringify(mounts.mounter).replaceAll('/var/lib/kubelet', '/data/kubelet'));
  writeFileSync(join(root, 'node-settings.json'), JSON.stringify({ mounts: { mounter } }));
  t.is(found(), '/data/kubelet');
  writeFileSync(join(root, 'node-settings.json'), '{"mounts": {"mounterr": []}}');
  t.throws(found, { message: /^line 1: mounts\.mounterr: .*did you mean mounter\?/ });
});
