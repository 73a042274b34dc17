import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { kubeletDirectoryOf, startDriver } from '../../../src/csi/driver.ts';
import { placesIn } from '../../../src/csi/node-host.ts';
import { whyOffOn } from '../../../src/csi/turned-off.ts';
import { shippedText } from '../../../src/manifest/shipped.ts';
import { layoutOf } from '../../../src/node/layout.ts';

function hostAt(root: string, t: ExecutionContext) {
  return { ...placesIn(root), call: async () => t.fail() as never };
}

test('its sockets are in the kubelet directory that the node itself has set', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'csi-driver-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const host = hostAt(root, t);
  const found = () => kubeletDirectoryOf({ layout: layoutOf('/'), host });
  t.throws(found, { message: /no directory to mount volumes in/ });
  writeFileSync(join(root, 'rootfs-manifest.json'), shippedText);
  t.is(found(), '/var/lib/kubelet');
  const { mounts } = JSON.parse(shippedText);
  const mounter = JSON.parse(JSON.stringify(mounts.mounter).replaceAll('/var/lib/kubelet', '/data/kubelet'));
  writeFileSync(join(root, 'node-settings.json'), JSON.stringify({ mounts: { mounter } }));
  t.is(found(), '/data/kubelet');
  renameSync(join(root, 'node-settings.json'), join(root, 'own.json'));
  symlinkSync('/own.json', join(root, 'node-settings.json'));
  t.is(found(), '/data/kubelet', "a link is the host's");
  rmSync(join(root, 'node-settings.json'));
  writeFileSync(join(root, 'node-settings.json'), '{"mounts": {"mounterr": []}}');
  t.throws(found, { message: /^line 1: mounts\.mounterr: .*did you mean mounter\?/ });
});

test("without kubelet's directory it does not start, and makes none", async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'csi-driver-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  writeFileSync(join(root, 'rootfs-manifest.json'), shippedText);
  mkdirSync(join(root, 'var/lib'), { recursive: true });
  // A disk that is not mounted yet.
  symlinkSync('../../data/kubelet', join(root, 'var/lib/kubelet'));
  const output = { out: () => {}, err: () => {} };
  const names = ['nfs.example'];
  const request = { names, version: '1', nodeId: 'n', layout: layoutOf('/'), host: hostAt(root, t), output };
  await t.throwsAsync(startDriver(request), { message: /^is not there: kubelet's directory/ });
  t.false(existsSync(join(root, 'data')));
});

test("in the agent's container what is not valid on the node keeps nobody from starting", (t) => {
  const root = mkdtempSync(join(tmpdir(), 'csi-driver-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const host = hostAt(root, t);
  const ofImage = join(root, 'of-the-image.json');
  writeFileSync(ofImage, shippedText);
  const found = () => kubeletDirectoryOf({ layout: layoutOf('/'), host }, ofImage);
  const newer = JSON.stringify({ ...JSON.parse(shippedText), settingOfANewerVersion: 1 });
  writeFileSync(join(root, 'rootfs-manifest.json'), newer);
  t.is(found(), '/var/lib/kubelet');
  const moved = shippedText.replaceAll('"/var/lib/kubelet"', '"/data/kubelet"');
  const { mounts } = JSON.parse(moved);
  writeFileSync(join(root, 'node-settings.json'), JSON.stringify({ mounts }));
  t.is(found(), '/data/kubelet');
  writeFileSync(join(root, 'node-settings.json'), '{"mounts": ');
  t.is(found(), '/var/lib/kubelet');
});

test('it is off where the node is: by a file, or by its settings, of which its own have the last word', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'csi-driver-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const host = hostAt(root, t);
  const layout = layoutOf('/');
  const write = (name: string, json: object) => writeFileSync(join(root, name), JSON.stringify(json));
  const why = () => whyOffOn(host, layout);
  t.is(why(), undefined);
  const manifest = JSON.parse(shippedText);
  write('rootfs-manifest.json', { ...manifest, enabled: false });
  t.is(why(), `"enabled": false in ${layout.manifest}`);
  write('node-settings.json', { enabled: true });
  t.is(why(), undefined);
  write('rootfs-manifest.json', manifest);
  write('node-settings.json', { enabled: false });
  t.is(why(), `"enabled": false in ${layout.nodeSettings}`);
  writeFileSync(join(root, 'disabled'), '');
  t.is(why(), `${layout.home}/disabled`);
});
