import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import type { FilesystemDriver } from '../../../../src/mount/filesystems/filesystem-driver.ts';
import { checkHelper } from '../../../../src/mount/steps/preconditions.ts';
import { contextOf, drivers, layout, preparedNode } from '../../../support/model/node-model.ts';

test('a glusterfs without its guard is not run; NFS needs none', (t) => {
  const host = preparedNode();
  const { glusterfs, nfs } = drivers;
  const check = (path: string, { traits }: FilesystemDriver) =>
    checkHelper(path, traits.isGuarded, contextOf(host));
  t.notThrows(() => check('/sbin/mount.glusterfs', glusterfs));
  host.links.delete(`${layout.rootfs}/.mounter-glusterfs`);
  const error = t.throws(() => check('/sbin/mount.glusterfs', glusterfs), {
    instanceOf: MounterError,
  });
  t.like(error, { status: 2, errorClass: 'node', hint: 'run mounter prepare' });
  t.notThrows(() => check('/sbin/mount.nfs', nfs));
});
