import { readdirSync, readlinkSync } from 'node:fs';
import test from 'ava';
import { enterModes } from '../support/node/enter-mode.ts';
import { kubeletDirectory, mounterHome, ScratchNode } from '../support/node/namespace.ts';

/** It waits: what it has of its caller is seen from outside, for it has no /proc that would show it. */
const helper = '#!/bin/sh\nexec sleep 1000\n';

/** What kubelet, or who started it, may have made of itself. */
const caller = `umask 077; ulimit -c unlimited; ulimit -Sn 512; trap '' PIPE HUP INT QUIT; cd /tmp; exec 7</etc/hostname`;

for (const enter of enterModes) {
  for (const type of ['nfs', 'glusterfs']) {
    test.serial(
      `${enter}: mount.${type} has a umask, limits and signals of its own, whatever kubelet has`,
      async (t) => {
        await using node = await ScratchNode.prepared({ enter });
        const target = `${kubeletDirectory}/pods/u/volumes/v`;
        const path = `${mounterHome}/rootfs/usr/sbin/mount.${type}`;
        await node.run(['sh', '-euc', `mkdir -p ${target}; rm -f ${path}; cat >${path}; chmod 755 ${path}`], {
          input: helper,
        });
        const source = type === 'nfs' ? 's:/x' : 's:x';
        const call = node.run([
          'bash',
          '-c',
          `${caller}; ${mounterHome}/mounter mount -t ${type} ${source} ${target}`,
        ]);
        await node.shell('until pidof sleep >/dev/null; do :; done');
        const [{ pid = 0 } = {}] = node.processesOf('sleep');
        const status = node.read(`/proc/${pid}/status`);
        t.regex(status, /^Umask:\t0022$/m);
        t.regex(status, /^SigBlk:\t0+\nSigIgn:\t0+$/m);
        const limits = node.read(`/proc/${pid}/limits`);
        t.regex(limits, /^Max open files +1024 /m);
        t.regex(limits, /^Max core file size +0 +0 /m);
        t.is(readlinkSync(node.path(`/proc/${pid}/cwd`)), readlinkSync(node.path(`/proc/${pid}/root`)));
        t.deepEqual(
          readdirSync(node.path(`/proc/${pid}/fd`)).filter((name) => Number(name) > 3),
          [],
        );
        await node.shell(`kill ${pid}`);
        t.not((await call).status, 0);
        t.deepEqual(node.processes(), []);
      },
    );
  }
}

test.serial("variables of the runtime in kubelet's environment change nothing", async (t) => {
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
