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
  flags: {
    '-t, --types TYPE': 'nfs, nfs4, glusterfs, or what else the manifest offers',
    '-o, --options LIST': 'handed to the helper as they are, in their order; may be repeated',
    '-r, --read-only': 'the same as -o ro',
    '-w, --read-write': 'the same as -o rw',
    '-v, --verbose': 'say each step',
    '-f, --fake': 'all but the mount itself',
    '-n, --no-mtab': 'for the helper',
    '-s': 'for the helper: tolerate unknown options',
    '--source SOURCE': 'instead of the operand',
    '--target TARGET': 'instead of the operand',
    '-c, --no-canonicalize': 'accepted: paths are never canonicalized',
    '--dry-run': 'print the plan, run nothing',
    '--json': 'the plan, or a failure: one object with class, status, subject, message, hint',
  },
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
