import { statSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { askedUnless } from '../support/node/examination.ts';
import { wholeKernel } from '../support/node/kernel.ts';
import { installedMounter, mounter, mounterHome, rootfsTar, ScratchNode } from '../support/node/namespace.ts';

/** What status keeps of a rootfs that was found good, on a real node. */

const rootfs = `$(realpath ${mounterHome}/rootfs)`;
const libraries = `${rootfs}/usr/lib/x86_64-linux-gnu`;
const kept = '/run/containerized-mounter/good-rootfs';
const pin = '/run/containerized-mounter/namespaces/*/services';

/**
 * Until the next call would go by it: files that were written in the last two seconds are looked at again, and so is a
 * rootfs that a busy machine could not read to its end.
 */
async function untilFoundGood(node: ScratchNode): Promise<void> {
  const end = Date.now() + 160_000;
  for (;;) {
    await node.mounter('status');
    if ((statSync(node.path(kept), { throwIfNoEntry: false })?.size ?? 0) > 0) return;
    if (Date.now() > end) throw new Error('not found good within 160 s');
    await setTimeout(700);
  }
}

/** @returns how many bytes the command, and all that it starts, have read. */
async function bytesRead(node: ScratchNode, command: string): Promise<number> {
  // The shell's own count has those of its children that have ended.
  const count = "sed -n 's/^rchar: //p' /proc/$$/io";
  const said = await node.shell(`${count}; ${command} >/dev/null || true; ${count}`);
  const [before = '', after = ''] = said.split('\n');
  return Number(after) - Number(before);
}

const install = `${mounter} install ${rootfsTar}`;

test.serial('a rootfs that was found good is not read again, but by an install', async (t) => {
  await using node = await ScratchNode.prepared();
  const size = Number(await node.shell(`du -sb ${rootfs} | cut -f 1`));
  await untilFoundGood(node);
  for (const command of ['status', 'status --json', 'status --metrics'])
    t.true((await bytesRead(node, `${mounter} ${command}`)) < size / 10, command);
  t.is(await node.shell(`stat -c '%a %u' ${kept}`), '600 0\n');
  const installed = await bytesRead(node, install);
  t.true(installed > size, `${installed}`);
});

test.serial(
  'an executable that was found the same is not read again, until somebody writes it',
  async (t) => {
    await using node = await ScratchNode.installed();
    const same = '/run/containerized-mounter/same-executables';
    // Of what was written a moment ago nothing is kept.
    await node.shell(`until [ -s ${same} ]; do ${install} >/dev/null; sleep 0.5; done`);
    t.true((await bytesRead(node, install)) < 100_000_000);
    await node.shell(`printf x | dd of=${installedMounter}-full bs=1 seek=5000000 conv=notrunc status=none`);
    t.regex(await node.shell(install), /^placed \S+\/mounter-full$/m);
    t.regex(await node.shell(install), /^installed already/);
  },
);

/** Each with what undoes it. */
const damages: Readonly<Record<string, readonly [damage: string, undo: string]>> = {
  'bytes written to an open file': [
    'printf xx >&9',
    'printf "\\177E" | dd of=/proc/self/fd/9 bs=1 conv=notrunc status=none',
  ],
  'a loader of the same size and times': [
    `cp -p ${libraries}/ld-linux-x86-64.so.2 /tmp/old; cp -p /tmp/old /tmp/new
     head -c 4096 /dev/zero | dd of=/tmp/new bs=4096 seek=1 conv=notrunc status=none
     touch -r /tmp/old /tmp/new; cp -p /tmp/new ${libraries}/x; mv ${libraries}/x ${libraries}/ld-linux-x86-64.so.2`,
    `cp -p /tmp/old ${libraries}/x; mv ${libraries}/x ${libraries}/ld-linux-x86-64.so.2`,
  ],
  'a program nobody may run': [
    `chmod 644 ${rootfs}/usr/sbin/rpc.statd`,
    `chmod 755 ${rootfs}/usr/sbin/rpc.statd`,
  ],
  'a mount over a program, where programs run': [
    `nsenter --mount=$(echo ${pin}) mount --bind /usr/bin/sleep /usr/sbin/mount.nfs`,
    `nsenter --mount=$(echo ${pin}) umount /usr/sbin/mount.nfs`,
  ],
};

test.serial('status, after a good look, says of each damage at once what doctor says', async (t) => {
  await using node = await ScratchNode.prepared();
  await node.shell(wholeKernel);
  for (const [what, [damage, undo]] of Object.entries(damages)) {
    const row = async () => {
      await untilFoundGood(node);
      return node.shell(`exec 9<>${libraries}/libtirpc.so.3.0.0
        say() { ${mounter} $1 >/tmp/said && echo good || echo bad; }
        say status; ${damage}; say status; say doctor; grep -o 'too busy' /tmp/said || true; ${undo}`);
    };
    const said = await askedUnless((words) => words.includes('too busy'), row, 5);
    t.is(said, 'good\nbad\nbad\n', what);
  }
  t.is((await node.run([mounter, 'doctor'])).status, 0, 'all of it was undone');
});
