import { execa } from 'execa';

/**
 * What the original mounter does, in its rootfs, without the shell around it.
 * @see kubernetes 1.10, cluster/gce/gci/mounter/mounter.go, mountInChroot
 */

/** All that mount.nfs has to say, and nothing else; nfs-utils dropped the third line in 1.3.3. */
const rpcbindIsMissing = `mount.nfs: rpc.statd is not running but is required for remote locking.
mount.nfs: Either use '-o nolock' to keep locks local, or start statd.
mount.nfs: an incorrect mount option was specified
`;

export interface OriginalCall {
  readonly status: number;
  readonly output: string;
}

/** @param argv what comes after `mount`. */
export async function mountAsOriginal(rootfs: string, argv: readonly string[]): Promise<OriginalCall> {
  const first = await runIn(rootfs, 'mount', ...argv);
  if (first.status === 0 || first.output.toLowerCase() !== rpcbindIsMissing.toLowerCase()) return first;
  const rpcbind = await startRpcbind(rootfs);
  return rpcbind.status === 0 ? runIn(rootfs, 'mount', ...argv) : rpcbind;
}

export function startRpcbind(rootfs: string): Promise<OriginalCall> {
  return runIn(rootfs, '/sbin/rpcbind', '-w');
}

async function runIn(rootfs: string, ...argv: readonly string[]): Promise<OriginalCall> {
  const { exitCode = -1, all } = await execa('chroot', [rootfs, ...argv], {
    all: true,
    stdin: 'ignore',
    reject: false,
    stripFinalNewline: false,
  });
  return { status: exitCode, output: all };
}
