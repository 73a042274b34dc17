import { writeSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { embeddedFile } from '../host/embedded-file.ts';
import { fullVariable } from '../host/programs.ts';
import { ownArguments, replaceProcess } from '../host/replace-process.ts';
import { defaultHome } from '../node/layout.ts';
import { defineCommand } from './command.ts';

/** Its arguments are read by mount(8)'s grammar (mount/arguments/grammar.ts), and the front carries it out. */
export const mount = defineCommand({
  name: 'mount',
  summary: 'mount as kubelet does, or by hand',
  operands: '-t TYPE [-o OPTIONS] SOURCE TARGET',
  usage: ['-t TYPE [-o OPTIONS] [-rwvfns] SOURCE TARGET'],
  flags: {
    '-t, --types TYPE': 'nfs, nfs4, glusterfs, or what else the settings offer',
    '-o, --options LIST': `handed to the helper, but for those that mount(8) keeps: defaults, _netdev, x-*, ...;
      x-mounter.read-ahead=KIB is how far the kernel reads ahead`,
    '-r, --read-only': 'the same as -o ro',
    '-w, --read-write': 'the same as -o rw',
    '-v, --verbose': 'say each step',
    '-f, --fake': 'all but the mount itself',
    '-n, --no-mtab': 'for the helper',
    '-s': 'for the helper: tolerate unknown options',
    '--source SOURCE': 'instead of the operand',
    '--target TARGET': 'instead of the operand',
    '-c, --no-canonicalize': 'accepted: paths are never canonicalized',
    '--asker WHO':
      'for whom policy.sources is asked: pod:NAMESPACE, inline:NAMESPACE, staging; unknown if left out',
    '--dry-run': 'print the plan, run nothing',
    '--json': 'the plan, or a failure: one object with class, status, subject, message, hint',
  },
  manual: [
    `Runs the mount helper of the rootfs, so that the mount appears on the host. TARGET is an absolute
    path of a directory below the kubelet directory. Success means that it is visible on the host.`,
    `NFSv3 with locks needs rpcbind and rpc.statd, sec=krb5 rpc.gssd, xprtsec=tls tlshd; they are started when needed,
    once per node.
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

/**
 * `mounter mount`, and `volume` for the CSI driver, of the full executable: the front that it has in itself takes this
 * process's place, which alone mounts (src/front/mount.ts). Not the one beside it: that may be another version's, which
 * would hand it back.
 * @throws MounterError (126) when the kernel does not start it.
 */
export async function becomeFront(): Promise<never> {
  const front = await embeddedFile('mounter-front');
  if (front === undefined)
    throw new Error('this is no executable that npm run build has made: it has no front');
  const { openMemory } = await import('../host/process-calls.ts');
  // By this name prepare knows a call that runs (src/prepare/running-calls.ts).
  const file = openMemory('mounter');
  for (let at = 0; at < front.length; ) at += writeSync(file, front, at);
  try {
    return await replaceProcess(`/proc/self/fd/${file}`, ownArguments(), {
      [fullVariable]: process.execPath,
    });
  } catch (error) {
    throw new MounterError(`the front in it ${(error as Error).message}`, {
      subject: process.execPath,
      status: exitCode.helperNotExecutable,
      hint: `call the mounter that is installed, such as ${defaultHome}/mounter; the sysctl vm.memfd_noexec of this node may forbid to run a program out of memory`,
      cause: error,
    });
  }
}
