import { readFileSync } from 'node:fs';
import { execa } from 'execa';
import { ensureInstalled } from './debian.ts';
import { startGlusterServer } from './gluster-server.ts';
import { distDirectory, mounterExecutable, repository } from './paths.ts';
import { runInVm } from './vm.ts';

/**
 * `npm run demo`: from an empty machine to volumes mounted by `mounter`, exactly as kubelet asks for them.
 * GlusterFS from a server on this machine, NFS in the test VM, whose kernel can be both server and client.
 */

const node = `${repository}/scripts/demo/node.sh`;
const privateMounts = ['unshare', '--mount', '--propagation', 'private'];

async function main(): Promise<void> {
  if (process.geteuid?.() !== 0) throw new Error('the demo mounts volumes: run it as root');
  await ensureInstalled(['util-linux', 'zstd', 'gcc', 'libc6-dev']);
  await script('build.ts');
  await script('rootfs.ts', '--allow-newer');
  await glusterfs();
  await nfs();
  heading('Done. Everything the demo made is gone again; dist/ holds what it built.');
}

async function script(name: string, ...args: readonly string[]): Promise<void> {
  await execa(process.execPath, [`${repository}/scripts/${name}`, ...args], { stdio: 'inherit' });
}

function heading(text: string): void {
  console.log(`\n=== ${text}`);
}

async function glusterfs(): Promise<void> {
  heading('GlusterFS: a real server, in a network namespace of this machine');
  await using server = await startGlusterServer({ volumes: ['demo'] });
  // What kubelet's plugin passes, sorted as it sorts.
  const log = '/var/lib/kubelet/plugins/kubernetes.io/glusterfs/demo/pod-glusterfs.log';
  const options = `auto_unmount,log-file=${log},log-level=ERROR`;
  const mounts = ['glusterfs', options, `${server.address}:demo`];
  const [program = '', ...args] = [
    ...server.enter,
    ...privateMounts,
    'sh',
    node,
    mounterExecutable,
    `${distDirectory}/rootfs.tar.zst`,
    ...mounts,
  ];
  await execa(program, args, { stdio: 'inherit' });
  console.log(`on the server's brick: ${readFileSync(`${server.brickPath('demo')}/hello`, 'utf8').trim()}`);
}

/** As the kernel says it now; a module that is not loaded does not count. */
function hasNfsClient(): boolean {
  return /\bnfs4?$/m.test(readFileSync('/proc/filesystems', 'utf8'));
}

async function nfs(): Promise<void> {
  const command = ['node', 'scripts/demo/nfs.ts'];
  const client = hasNfsClient()
    ? 'has an NFS client, but a server would need modules of it too'
    : 'has no NFS client';
  heading(`NFS: a real server and client in the test VM (this machine's kernel ${client})`);
  const result = await runInVm({ command, onOutput: (text) => process.stdout.write(text) });
  if (result.status !== 0) throw new Error(`the demo failed in the VM\n${result.console}`);
}

try {
  await main();
} catch (error) {
  console.error(`demo: ${(error as Error).message}`);
  process.exitCode = 1;
}
