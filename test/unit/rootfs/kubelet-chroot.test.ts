import test from 'ava';
import {
  kubeletImageFile,
  kubeletRootsFile,
  namespaceOutsideKubeletChroot,
} from '../../../src/rootfs/kubelet-chroot.ts';
import { HostModel } from '../../support/model/host-model.ts';

const root = '/opt/kubelet';

const namespace = '/proc/1/ns/mnt';

/** As a process sees it whose root directory is `root`, laid by an earlier version. */
function inKubeletRoot(): HostModel {
  const host = new HostModel().directory('/', '/proc/1/root/.').file('/proc/1/ns/mnt');
  host.sameFile('/', `/proc/1/root${root}`).sameFile('/proc/1/ns/mnt', '/proc/self/ns/mnt');
  host.texts.set(kubeletRootsFile, JSON.stringify([{ root, kubeletDirectory: '/k' }]));
  return host;
}

test("out of a kubelet's mount namespace, which has the host's root directory", (t) => {
  const host = new HostModel().directory('/').file(kubeletImageFile).sameFile('/', '/proc/1/root/.');
  host.file(namespace).file('/proc/self/ns/mnt');
  t.is(namespaceOutsideKubeletChroot(host), namespace);
  t.is(
    namespaceOutsideKubeletChroot(host.sameFile(namespace, '/proc/self/ns/mnt')),
    undefined,
    'for ever, otherwise',
  );
});

test('out of a root of ours', (t) => t.is(namespaceOutsideKubeletChroot(inKubeletRoot()), namespace));

test('not on the host, and without a look at the record', (t) => {
  const host = inKubeletRoot().sameFile('/', '/proc/1/root/.');
  host.readText = () => t.fail('read') as never;
  t.is(namespaceOutsideKubeletChroot(host), undefined);
});

test("not out of somebody else's chroot", (t) => {
  t.is(namespaceOutsideKubeletChroot(inKubeletRoot().directory('/')), undefined);
});

test('not out of a container, whose mounts are others', (t) => {
  t.is(namespaceOutsideKubeletChroot(inKubeletRoot().file('/proc/self/ns/mnt')), undefined);
});

test('not without a record, a readable one, or the right to look', (t) => {
  const host = inKubeletRoot();
  host.texts.set(kubeletRootsFile, 'broken');
  t.is(namespaceOutsideKubeletChroot(host), undefined);
  host.texts.delete(kubeletRootsFile);
  t.is(namespaceOutsideKubeletChroot(host), undefined);
  const blind = inKubeletRoot();
  blind.stat = () => {
    throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
  };
  t.is(namespaceOutsideKubeletChroot(blind), undefined);
});
