import test from 'ava';
import { kubeletDirectory, mounterHome, ScratchNode } from '../fixtures/namespace.ts';

const helper = `#!/bin/sh
exec >/run/seen
grep -E '^(Umask|Sig(Blk|Ign|Cgt)):' /proc/self/status
echo "files $(ulimit -Sn) core $(ulimit -c) at $(pwd)"
exit 32
`;

test('a helper runs with a umask, limits and signals of its own, whatever kubelet has', async (t) => {
  await using node = await ScratchNode.prepared();
  const target = `${kubeletDirectory}/pods/u/volumes/v`;
  await node.shell(`mkdir -p ${target}`);
  await node.run(
    [
      'sh',
      '-c',
      `rm ${mounterHome}/rootfs/usr/sbin/mount.nfs; cat >${mounterHome}/rootfs/usr/sbin/mount.nfs; chmod 755 ${mounterHome}/rootfs/usr/sbin/mount.nfs`,
    ],
    { input: helper },
  );
  const script = `umask 077; ulimit -c unlimited; ulimit -Sn 512; trap '' PIPE HUP; cd /tmp; exec 7</etc/hostname
    ${mounterHome}/mounter mount -t nfs s:/x ${target}`;
  const { status, stderr } = await node.run(['bash', '-c', script]);
  t.is(status, 32, stderr);
  t.regex(node.read('/run/seen'), /^Umask:\t0022$/m);
  t.regex(node.read('/run/seen'), /^SigBlk:\t0+\nSigIgn:\t0+$/m);
  t.regex(node.read('/run/seen'), /^files 1024 core 0 at \/$/m);
});

test("variables of the runtime in kubelet's environment change nothing", async (t) => {
  await using node = await ScratchNode.start();
  await node.run(['sh', '-c', 'cat >/tmp/evil.js'], { input: "console.log('evil'); process.exit(7);" });
  for (const [name, value] of [
    ['BUN_OPTIONS', '--preload=/tmp/evil.js'],
    ['BUN_OPTIONS', '--print=1'],
    ['BUN_BE_BUN', '1'],
    ['BUN_INSPECT_PRELOAD', '/tmp/evil.js'],
    ['NODE_OPTIONS', '--require=/tmp/evil.js'],
  ] as const) {
    const { status, stdout } = await node.run(['/mnt/dist/mounter', 'version'], {
      environment: { [name]: value },
    });
    t.is(status, 0);
    t.regex(stdout, /^mounter \d/, `${name}=${value}`);
  }
});
