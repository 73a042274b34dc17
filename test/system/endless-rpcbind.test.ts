import { copyFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { setLimits } from '../support/node/limits.ts';
import {
  installedMounter,
  kubeletDirectory,
  mounterHome,
  ScratchNode,
  shared,
} from '../support/node/namespace.ts';

const target = `${kubeletDirectory}/pods/u/volumes/v`;

/** A helper that waits, which the server is asked after. */
const placeHelper = `helper=${mounterHome}/rootfs/usr/sbin/mount.nfs
rm $helper; printf '#!/bin/sh\\nexec sleep 100\\n' >$helper; chmod 755 $helper`;

test.serial(
  'an rpcbind whose list has no end: asked with bounded memory, for no longer than the limit',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const script = fileURLToPath(new URL('../support/node/endless-rpcbind.ts', import.meta.url));
    copyFileSync(script, `${node.sharedDirectory}/endless-rpcbind.ts`);
    // The node does not see where this one lies.
    copyFileSync(process.execPath, `${node.sharedDirectory}/node`);
    await node.shell(`mkdir -p ${target}; ip address add 192.0.2.1/24 dev lo; ${placeHelper}
    ${shared}/node ${shared}/endless-rpcbind.ts 192.0.2.1 </dev/null >/dev/null 2>&1 &
    until grep -q ':006F .* 0A ' /proc/net/tcp; do sleep 0.05; done`);
    setLimits(node, { mountSeconds: 10 });
    await node.mustRun('prepare');
    const peaks = new Map<number, number>();
    const watching = setInterval(() => {
      for (const { pid } of node.processesOf('rpcinfo')) {
        const status = node.run(['cat', `/proc/${pid}/status`]);
        void status.then(({ stdout }) => {
          const peakKb = Number(/VmPeak:\s*(\d+)/.exec(stdout)?.[1] ?? 0);
          peaks.set(pid, Math.max(peakKb, peaks.get(pid) ?? 0));
        });
      }
    }, 100);
    const words = ['mount', '-t', 'nfs', '-o', 'vers=3,nolock', '192.0.2.1:/x', target];
    const { status, stderr } = await node.run([installedMounter, ...words]);
    clearInterval(watching);
    t.is(status, 32, stderr);
    t.regex(stderr, /did not mount 192\.0\.2\.1:\/x within 10 s/);
    t.true(peaks.size > 0, 'it was asked');
    const peakMb = Math.max(...peaks.values()) / 1024;
    t.log(`${peakMb} MiB`);
    t.true(peakMb > 0 && peakMb <= 128, `${peakMb} MiB`);
    for (let look = 0; look < 50 && node.processesOf('rpcinfo').length > 0; look += 1) await setTimeout(100);
    t.deepEqual(node.processesOf('rpcinfo'), []);
    t.deepEqual(node.entriesOf(target), []);
  },
);
