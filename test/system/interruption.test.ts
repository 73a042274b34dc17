import test from 'ava';
import { kubeletDirectory, mounterHome, ScratchNode } from '../support/node/namespace.ts';

/** A helper that mounts, and a signal to mounter a moment after it has ended: before mounter is done itself. */
const helper = (signal: string) => `#!/bin/sh
mount -t tmpfs tmpfs "$2" || exit 32
sh -c "while kill -0 $$; do :; done; sleep 0.1; kill -${signal} $PPID" </dev/null >/dev/null 2>&1 &
`;

/** What mounter does last, to write its line in the record, takes half a second. */
const log = '/var/log/containerized-mounter/mounter.log';
const slowly = ['strace', '-f', '-o', '/dev/null', '-P', log, '-e', 'inject=openat:delay_enter=500000'];

const target = `${kubeletDirectory}/pods/u/volumes/kubernetes.io~nfs/v`;

test.serial('a signal between the helper’s success and ours: success and a mount, or neither', async (t) => {
  await using node = await ScratchNode.prepared();
  const path = `${mounterHome}/rootfs/usr/sbin/mount.nfs`;
  await node.shell(`mkdir -p ${target}; rm ${path}`);
  for (const signal of ['TERM', 'INT', 'HUP']) {
    await node.run(['sh', '-euc', `cat >${path}; chmod 755 ${path}`], { input: helper(signal) });
    const call = ['mount', '-t', 'nfs', '-o', 'vers=4.2', 's:/x', target];
    // bash says 128 + N for what a signal ended.
    const argv = ['bash', '-c', '"$@"; exit $?', 'bash', ...slowly, `${mounterHome}/mounter`, ...call];
    const { status, stderr } = await node.run(argv);
    t.true(status === 0 || status === 8, `${signal}: ${status} ${stderr}`);
    t.is(node.entriesOf(target).length, status === 0 ? node.entriesPerVolume : 0, `${signal}: ${status}`);
    await node.shell(`umount ${target} 2>/dev/null || :`);
  }
});
