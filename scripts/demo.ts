import { readFileSync } from 'node:fs';
import { execa } from 'execa';
import { MounterError } from '../src/errors.ts';
import { exitCode } from '../src/exit-codes.ts';
import { startGlusterServer } from '../test/support/gluster/gluster-server.ts';
import { buildVm, runInVm } from '../test/support/vm.ts';
import { runMain, runScript } from './command-line.ts';
import { ensureInstalled } from './debian.ts';
import { distDirectory, mounterExecutable, repository } from './paths.ts';
import { withProgress } from './progress.ts';

/**
 * `npm run demo`: from an empty machine to volumes mounted by `mounter`, exactly as kubelet asks for them.
 * GlusterFS from a server on this machine, NFS in the test VM, whose kernel can be both server and client.
 */

const node = `${repository}/scripts/demo/node.sh`;
const privateMounts = ['unshare', '--mount', '--propagation', 'private'];

async function main(): Promise<number> {
  await ensureInstalled(['util-linux', 'zstd', 'gcc', 'libc6-dev']);
  heading('Build: the executable, and a rootfs of storage tools from Debian packages', '2 min');
  await runScript('build.ts', []);
  await runScript('rootfs.ts', ['--allow-newer']);
  await glusterfs();
  await nfs();
  heading('Done: all that the demo mounted and started is gone again');
  console.log(
    'dist/ has what a node needs: mounter, rootfs.tar.zst, rootfs-manifest.json. README.md goes on from here.',
  );
  return exitCode.success;
}

/** For a terminal alone; elsewhere these would be noise. */
const isTerminal = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
const [bold, plain] = isTerminal ? ['\u001b[1m', '\u001b[0m'] : ['', ''];
const emphasis = { DEMO_BOLD: bold, DEMO_PLAIN: plain };

/** @param first how long it usually takes where nothing has been built yet. */
function heading(text: string, first?: string): void {
  console.log(`\n${bold}=== ${text} ===${plain}`);
  if (first !== undefined) console.log(`(usually ${first} the first time, seconds later)`);
}

async function glusterfs(): Promise<void> {
  heading('GlusterFS: a real server on this machine, in a network namespace', '1 min');
  await using server = await withProgress('starting it', () => startGlusterServer({ volumes: ['demo'] }));
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
  await execa(program, args, { stdio: 'inherit', env: emphasis });
  console.log(
    `on the server's own disk: ${readFileSync(`${server.brickPath('demo')}/hello`, 'utf8').trim()}`,
  );
}

/** As the kernel says it now; a module that is not loaded does not count. */
function hasNfsClient(): boolean {
  return /\bnfs4?$/m.test(readFileSync('/proc/filesystems', 'utf8'));
}

async function nfs(): Promise<void> {
  const command = ['node', 'scripts/demo/nfs.ts'];
  const client = hasNfsClient()
    ? 'has an NFS client, but a server would need modules of it too'
    : 'has no NFS';
  heading('NFS: a real server and client, in a test VM', '2 min');
  console.log(
    `This machine's kernel ${client}; the VM's has both, and needs neither KVM nor modules of its own.`,
  );
  await withProgress('building the VM', () => buildVm());
  const result = await runInVm({
    command,
    environment: emphasis,
    onOutput: (text) => process.stdout.write(text),
  });
  if (result.status === 0) return;
  throw new MounterError('failed, as said above', {
    subject: 'the part in the test VM',
    status: exitCode.system,
    helperOutput: result.console,
  });
}

await runMain({
  name: 'demo',
  flags: {},
  needsRoot: true,
  manual: [
    `Builds what a node needs, installs it on a node made for the demo in a mount namespace of its own, mounts volumes of a
    real GlusterFS and a real NFS server in kubelet's words, shows what status says and what a failure looks like, and takes
    everything back. As root, on Debian; what is missing of its packages is installed.`,
  ],
  run: main,
});
