import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import { checkHelper } from '../../../../src/mount/steps/preconditions.ts';
import { contextOf, layout, preparedNode } from '../../../support/model/node-model.ts';

test('a glusterfs without its guard is not run; NFS needs none', (t) => {
  const host = preparedNode();
  t.notThrows(() => checkHelper('/sbin/mount.glusterfs', contextOf(host)));
  host.links.delete(`${layout.rootfs}/.mounter-glusterfs`);
  const error = t.throws(() => checkHelper('/sbin/mount.glusterfs', contextOf(host)), {
    instanceOf: MounterError,
  });
  t.like(error, { status: 2, errorClass: 'node', hint: 'run mounter prepare' });
  t.notThrows(() => checkHelper('/sbin/mount.nfs', contextOf(host)));
});
