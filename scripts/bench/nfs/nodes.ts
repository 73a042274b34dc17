import { mkdir } from 'node:fs/promises';
import { execa } from 'execa';
import pRetry from 'p-retry';
import { home, installAndPrepare, kubeletDirectory } from '../../../test/support/guest/node.ts';
import { type EnterMode, setEnter } from '../../../test/support/node/enter-mode.ts';

/** A node of the guest, with mounter installed and prepared at the place where it always is. */
export interface NfsBenchNode {
  readonly enter: EnterMode;
  /** An empty directory below the kubelet's. */
  readonly target: string;
  /** What stands before a command that is to run there: empty for the guest itself. */
  readonly prefix: readonly string[];
  close(): void;
}

const target = `${kubeletDirectory}/pods/5d0c7a3e-1b52-4f3c-8a57-2f6f0d1c9e44/volumes/kubernetes.io~nfs/bench`;

/** The guest itself, entered by chroot: the original's way needs that too. */
export async function makeChrootNode(): Promise<NfsBenchNode> {
  await installAndPrepare('chroot');
  await mkdir(target, { recursive: true });
  return { enter: 'chroot', target, prefix: [], close: () => {} };
}

/**
 * Another node beside it, in a mount namespace of its own, so that both can be measured in turn. Its files are on
 * the guest's disk as the first one's are, and its network and servers are the same. To be made first: the
 * namespace begins with a copy of what is mounted.
 */
export async function makeAttachNode(): Promise<NfsBenchNode> {
  const disk = '/attach-node';
  for (const directory of [home, '/var/lib', '/var/log']) {
    await mkdir(directory, { recursive: true });
    await mkdir(`${disk}${directory}`, { recursive: true });
  }
  const script = `
    for directory in ${home} /var/lib /var/log; do mount --bind ${disk}$directory $directory; done
    mount -t tmpfs -o mode=0755 tmpfs /run
    touch /run/is-ready
    exec sleep infinity`;
  const unshare = ['unshare', '--mount', '--propagation', 'private', 'sh', '-euc', script];
  const holder = execa('setpriv', ['--pdeathsig', 'KILL', ...unshare], { stdin: 'ignore', reject: false });
  const prefix = ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`];
  const run = (...argv: readonly string[]) => execa('nsenter', [...prefix.slice(1), ...argv]);
  await pRetry(() => run('test', '-e', '/run/is-ready'), { retries: 50, minTimeout: 100, factor: 1 });
  await run('/host/dist/mounter', 'install', '/host/dist/rootfs.tar.zst');
  await setEnter(`${disk}${home}`, 'attach');
  await run(`${home}/mounter`, 'prepare');
  await run('mkdir', '-p', target);
  return { enter: 'attach', target, prefix, close: () => void holder.kill('SIGKILL') };
}
