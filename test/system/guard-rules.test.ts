import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { guardFile } from '../../scripts/paths.ts';
import { directoryOfThisProcess } from '../support/node/process-directory.ts';

/** What the guard of glusterfs leaves to a process, kind by kind: the same program with it and without. */

const own = '/usr/lib/x86_64-linux-gnu/glusterfs/11.1';

/** Asked for: the name goes on to dlopen(3), which finds no such file here. */
const allowed = [
  'libgcc_s.so.1',
  'libnothing.so',
  `${own}/xlator/protocol/client.so`,
  `${own}/xlator/cluster/replicate.so`,
  `${own}/xlator/performance/io-cache.so`,
  `${own}/xlator/meta.so`,
  `${own}/xlator/mount/fuse.so`,
  `${own}/rpc-transport/socket.so`,
  '/usr/lib64/glusterfs/10.3/xlator/debug/io-stats.so',
  '/usr/lib/glusterfs/9.2/xlator/features/shard.so',
];

const refused = [
  `${own}/xlator/mount/fuse.so`, // For the second time.
  `${own}/xlator/../../../../../var/log/evil.so`,
  `${own}/xlator/cluster/../../../evil.so`,
  `${own}/xlator/cluster/..`,
  `${own}/xlator/debug/a/evil.so`,
  `${own}/xlator/features/shard.so/../evil.so`,
  `${own}/xlator/features/shard.so.evil`,
  `${own}/xlator/storage/posix.so`,
  `${own}/xlator/protocol/server.so`,
  `${own}/xlator/features/changelog.so`,
  `${own}/xlator/mgmt/glusterd.so`,
  `${own}/auth/login.so`,
  `${own}/evil/rpc-transport/socket.so`,
  `${own}/../11.1/xlator/meta.so`,
  `${own}/rpc-transport/../../evil.so`,
  '/usr/lib/../tmp/glusterfs/11.1/xlator/meta.so',
  '/usr/lib//glusterfs/11.1/xlator/meta.so',
  '/usr/lib/a/b/glusterfs/11.1/xlator/meta.so',
  '/tmp/glusterfs/11.1/xlator/meta.so',
  './meta.so',
  '/proc/self/fd/3',
];

/** What each call says with the guard, and without it, as root in a mount namespace of its own. */
const calls: readonly (readonly [name: string, guarded: string, unguarded: string])[] = [
  ['root-of-another', 'EACCES', 'done'],
  ['status-of-another', 'done', 'done'],
  ['preload-of-children', 'done', 'done'],
  ['execve', 'EPERM', 'done'],
  ['popen', 'EPERM', 'done'],
  ['system', 'EPERM', 'done'],
  ['socket-unix', 'EAFNOSUPPORT', 'done'],
  ['socket-packet', 'EAFNOSUPPORT', 'done'],
  ['socket-inet', 'done', 'done'],
  ['socket-inet6', 'done', 'done'],
  ['socketpair', 'done', 'done'],
  ['unshare', 'EPERM', 'done'],
  ['setns', 'EPERM', 'done'],
  ['clone-newuts', 'EPERM', 'done'],
  ['clone3', 'ENOSYS', 'EINVAL'],
  ['io-uring', 'ENOSYS', 'done'],
  ['chroot', 'EPERM', 'done'],
  ['mount-tmpfs', 'done', 'done'],
  ['mount-bind', 'EPERM', 'done'],
  ['mount-remount', 'EPERM', 'done'],
  ['mount-shared', 'EPERM', 'done'],
  ['umount', 'done', 'done'],
  ['open-tree', 'EPERM', 'done'],
  ['setgid', 'EPERM', 'done'],
  ['mknod', 'EPERM', 'done'],
  ['chown', 'EPERM', 'done'],
  ['thread-unshare', 'EPERM', 'done'],
];

/**
 * programs/guarded.c in a rootfs of nothing but this machine's libraries, where the guard is /usr/sbin/glusterfs.
 * @returns its lines.
 */
async function outcome(isGuarded: boolean): Promise<readonly string[]> {
  const root = directoryOfThisProcess('guard-rules-');
  for (const directory of ['usr/sbin', 'usr/lib', 'usr/lib64', 'usr/bin', 'proc', 'tmp', 'mnt'])
    mkdirSync(join(root, directory), { recursive: true });
  const source = fileURLToPath(new URL('../support/programs/guarded.c', import.meta.url));
  await execa('gcc', ['-o', join(root, 'usr/sbin/tries'), source, '-ldl', '-lpthread']);
  copyFileSync(guardFile, join(root, 'usr/sbin/glusterfs'));
  // A container's root without capabilities: the kernel asks who wants to see its files for no more than the same ids.
  const another = spawn('setpriv', ['--bounding-set=-all', '--inh-caps=-all', 'sleep', '1000']);
  try {
    const script = `
      for name in lib lib64 bin; do mount --bind /usr/$name "$0/usr/$name"; ln -s usr/$name "$0/$name"; done
      ln -s usr/sbin/tries "$0/.mounter-glusterfs"
      mount --bind /proc "$0/proc"
      mount -t tmpfs tmpfs "$0/tmp"
      exec chroot "$0" "$@"`;
    const paths = [`/proc/${another.pid}/root`, `/proc/${another.pid}/status`, ...allowed, ...refused];
    const { stdout } = await execa('unshare', [
      ...['--mount', '--propagation=private', '--net', 'sh', '-euc', script, root],
      ...[isGuarded ? '/usr/sbin/glusterfs' : '/usr/sbin/tries', ...paths],
    ]);
    return stdout.split('\n');
  } finally {
    another.kill('SIGKILL');
  }
}

const isCall = (line: string): boolean => !line.startsWith('dlopen ');

test.serial(
  'a guarded process: one kind of mount, sockets of the network, no other program, namespace or process',
  async (t) => {
    const lines = await outcome(true);
    t.deepEqual(
      lines.filter(isCall),
      calls.map(([name, guarded]) => `${name} ${guarded}`),
    );
    t.deepEqual(
      lines.filter((line) => !isCall(line)),
      [
        ...allowed.map((path) => `dlopen ${path} ${path.startsWith('libgcc') ? 'loaded' : 'asked'}`),
        ...refused.map((path) => `dlopen ${path} refused`),
      ],
    );
  },
);

test.serial('the same process without the guard can do all of that', async (t) => {
  const lines = await outcome(false);
  t.deepEqual(
    lines.filter(isCall),
    calls.map(([name, , unguarded]) => `${name} ${unguarded}`),
  );
  t.false(lines.some((line) => line.endsWith(' refused')));
});
