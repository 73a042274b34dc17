import { defineCommand } from './command.ts';

/**
 * What `mounter mount` is to those who ask. Its arguments are read by mount(8)'s grammar (mount/arguments/grammar.ts),
 * and the front carries it out.
 */
export const mount = defineCommand({
  name: 'mount',
  summary: 'mount as kubelet does, or by hand',
  operands: '-t TYPE [-o OPTIONS] SOURCE TARGET',
  usage: ['-t TYPE [-o OPTIONS] [-rwvfns] SOURCE TARGET'],
  flags: [
    {
      name: 'types',
      short: 't',
      value: 'TYPE',
      text: 'nfs, nfs4, glusterfs, or what else the manifest offers',
    },
    {
      name: 'options',
      short: 'o',
      value: 'LIST',
      text: 'handed to the helper as they are, in their order; may be repeated',
    },
    { name: 'read-only', short: 'r', text: 'the same as -o ro' },
    { name: 'read-write', short: 'w', text: 'the same as -o rw' },
    { name: 'verbose', short: 'v', text: 'say each step' },
    { name: 'fake', short: 'f', text: 'all but the mount itself' },
    { name: 'no-mtab', short: 'n', text: 'for the helper' },
    { name: 's', text: 'for the helper: tolerate unknown options' },
    { name: 'source', value: 'SOURCE', text: 'instead of the operand' },
    { name: 'target', value: 'TARGET', text: 'instead of the operand' },
    { name: 'no-canonicalize', short: 'c', text: 'accepted: paths are never canonicalized' },
    { name: 'dry-run', text: 'print the plan, run nothing' },
    {
      name: 'json',
      text: 'the plan, or a failure: one object with class, status, subject, message, hint',
    },
  ],
  manual: [
    `Runs the mount helper of the rootfs, so that the mount appears on the host. TARGET is an absolute
    path of a directory below the kubelet directory. Success means that it is visible on the host.`,
    `NFSv3 with locks needs rpcbind and rpc.statd; they are started when needed, once per node.
    Where the mounter is turned off (mounter disable) the host's own mount(8) runs instead, with the same arguments.
    Exit status as in mount(8): 0 success, 1 usage or not root, 2 system, 8 interrupted, 32 mount failure,
    or the helper's own.`,
  ],
  examples: [
    'mounter mount -t nfs -o nfsvers=4.1,ro server:/export /var/lib/kubelet/pods/test/volume',
    "mounter mount -t nfs -o nfsvers=3 '[fd00::5]:/export' /var/lib/kubelet/pods/test/volume",
    'mounter mount -t glusterfs server:volume /var/lib/kubelet/pods/test/volume',
    'mounter mount --dry-run -t nfs server:/export /var/lib/kubelet/pods/test/volume',
  ],
});
