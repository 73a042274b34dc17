import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { helperOptions } from '../../src/mount/filesystems/mount-options.ts';
import { daemonsOf, mount, newTarget, setting } from '../support/gluster/gluster-node.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import { ScratchNode } from '../support/node/namespace.ts';
import { makeSbinWritable } from '../support/node/writable-sbin.ts';

/** Options that mount(8) takes for itself: by what the host's own does, and by what real helpers make of the rest. */

const lists = [
  'defaults',
  'auto',
  'noauto',
  'user',
  'users',
  'owner',
  'group',
  'nouser',
  'nousers',
  'noowner',
  'nogroup',
  'comment=x',
  'comment="a,b"',
  'x-systemd.automount',
  'x-a=b',
  'X-fstrim.notrim',
  'X-mount.mkdir=0755',
  ...['suid', 'dev', 'exec', 'async', 'atime', 'diratime', 'loud', 'nomand', 'noiversion'],
  ...['norelatime', 'nolazytime', 'symfollow', 'nosuid', 'noatime', 'sync', 'dirsync', 'relatime'],
  ...['lazytime', 'silent', 'nosymfollow', 'DEFAULTS', 'sloppy', 'vers=4.2', 'user=u'],
  'noexec,exec',
  'nosuid,defaults,suid',
  'user,exec',
  'users,suid,dev',
  'sync,async,noatime',
];
/** mount(8) hands these on although it knows them; helpers do nothing with them, or refuse them. */
const handedOn = ['user', 'users', '_netdev', 'nofail', 'helper=x', 'uhelper=x'];
/** From util-linux 2.39 on also words for what is so anyway. */
const saysNothing = [
  ...[
    'nouser',
    'nousers',
    'noowner',
    'nogroup',
    'async',
    'atime',
    'diratime',
    'loud',
    'nomand',
    'noiversion',
  ],
  ...['norelatime', 'nolazytime', 'symfollow'],
];

test.serial("what the host's own mount(8) keeps from a helper is kept from it", async (t) => {
  await using node = await ScratchNode.start({});
  await makeSbinWritable(node);
  // Not as root's: mount(8) of root's takes the flags that a user's name implies away again.
  await node.shell(`printf '#!/bin/sh\\necho "$4"\\n' >/usr/sbin/mount.nfs; chmod 755 /usr/sbin/mount.nfs`);
  const options = [...lists, ...handedOn];
  const words = options.map((list) => `'${list},hard'`).join(' ');
  const said = await node.shell(`for list in ${words}; do mount -t nfs -o "$list" s:/x /mnt || exit; done`);
  const heard = said.trimEnd().split('\n');
  t.is(heard.length, options.length);
  const sorted = (list: string, without: readonly string[] = []) =>
    [...new Set(list.split(','))].filter((one) => !without.includes(one)).toSorted();
  for (const [index, list] of options.entries())
    t.deepEqual(
      sorted(helperOptions(`${list},hard`, true), ['rw', 'exec', 'suid', 'dev']),
      // It adds rw, and what the flags of user=NAME come to.
      sorted(heard[index] ?? '', ['rw', 'exec', 'suid', 'dev', ...handedOn, ...saysNothing]),
      list,
    );
});

for (const enter of enterModes)
  test.serial(`${enter}: no option of an fstab line reaches mount.glusterfs, and none fails`, async (t) => {
    await using s = await setting(enter);
    const target = await newTarget(s.node);
    for (const [list, flags] of [
      ['defaults,_netdev', []],
      ['noauto,nofail,comment=x,x-systemd.automount,X-a,X-mount.mkdir,helper=a,uhelper=b,user=c,nouser', []],
      ['suid,dev,exec,async,atime,diratime,loud,nomand,noiversion,norelatime,nolazytime,symfollow', []],
      ['user', ['noexec', 'nodev', 'nosuid']],
      ['owner,group,rw', ['nodev', 'nosuid']],
    ] as const) {
      const call = await mount(s.node, s.source, target, `${list},log-level=ERROR`);
      t.deepEqual(call, { status: 0, stdout: '', stderr: '' }, list);
      const [entry] = s.node.entriesOf(target);
      t.deepEqual(
        entry?.mountOptions.filter((flag) => flag.startsWith('no')).toSorted(),
        flags.toSorted(),
        list,
      );
      await s.node.shell(`umount ${target}`);
    }
    while (daemonsOf(target).length > 0) await setTimeout(20);
    const long = `${target}-${'n'.repeat(200)}`;
    await s.node.shell(`mkdir ${long}`);
    t.is((await mount(s.node, s.source, long, '')).status, 0, 'its log would have too long a name');
    const flag = await mount(s.node, s.source, target, 'nodiratime');
    t.regex(flag.stderr, /hint: take the option out/);
  });
