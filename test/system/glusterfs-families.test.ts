import test from 'ava';
import { mount, newTarget, nothingLeft, options, setting } from '../support/gluster/gluster-node.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import { installedMounter, mounterHome } from '../support/node/namespace.ts';

/** A GlusterFS server that listens by IPv6 alone, whose name leads there, or there as well. */

/** Without its end it is an address, too. */
const address = 'fd00:77::1:2';
/** Nothing listens at the others. */
const names = `ip address add 10.77.0.9/32 dev lo; ip address add fd00:77::9/128 dev lo
printf '%s\\n' '${address} only' '10.77.0.9 both' '${address} both' '10.77.0.9 none' 'fd00:77::9 none' >>/etc/hosts`;

for (const enter of enterModes) {
  test.serial(
    `${enter}: mounted by the family that leads to it, asked for or not; else both are named`,
    async (t) => {
      await using s = await setting(enter, address);
      await s.node.shell(names);
      const asked = `${options},xlator-option=transport.address-family=inet6`;
      for (const [name, list] of [
        [`[${address}]`],
        ['only'],
        ['both'],
        ['none,only'],
        ['only', asked],
        ['none', `${options},backup-volfile-servers=[${address}]`],
      ] as const) {
        const target = await newTarget(s.node);
        const ran = await mount(s.node, `${name}:v1`, target, list);
        t.is(ran.status, 0, `${name}: ${ran.stderr}`);
        t.is(s.node.entriesOf(target).length, s.node.entriesPerVolume, name);
        await s.node.shell(`echo x >${target}/file; umount ${target}`);
      }
      for (const [source, said] of [
        ['none:v1', /the server none \(\S+\) refuses .*; also tried: \S+ \(refused, TCP port 24007\)\n/],
        ['both:nosuch', /can be reached by IPv6 alone; also tried: 10\.77\.0\.9 \(refused, .*volume file/s],
      ] as const) {
        const target = await newTarget(s.node);
        const { status, stderr } = await mount(s.node, source, target);
        t.not(status, 0);
        t.regex(stderr, said);
        nothingLeft(t, s.node, target);
      }
    },
  );
}

/** Fails without a word of the server; run once more, by its other family, it does not end. */
const helper = `#!/bin/sh
case "$*" in *inet6*) exec sleep 100 ;; esac
exit 1
`;

/** So that the connections that are made slowly are waited for. */
const patient = `echo '{"limits":{"connectSeconds":60}}' >${mounterHome}/node-settings.json`;

test.serial('a signal while a server is asked for a second try: there is none', async (t) => {
  await using s = await setting(undefined, address);
  await s.node.shell(`${names}\n${patient}`);
  const path = `${mounterHome}/rootfs/usr/sbin/mount.glusterfs`;
  await s.node.run(['sh', '-euc', `rm ${path}; cat >${path}; chmod 755 ${path}`], { input: helper });
  const target = await newTarget(s.node);
  const slowly = 'strace -qq -o /tmp/trace -e trace=connect -e inject=connect:delay_enter=5000000';
  const call = `${installedMounter} mount -t glusterfs -o ${options} both:v1 ${target}`;
  const script = `${slowly} ${call} & tracer=$!
    until grep -q 24007 /tmp/trace; do sleep 0.1; done
    kill -TERM $(pgrep --parent $tracer); wait $tracer`;
  const ran = await s.node.run(['timeout', '120', 'bash', '-c', script]);
  t.is(ran.status, 8, ran.stderr);
  t.regex(ran.stderr, /interrupted before/);
  nothingLeft(t, s.node, target);
});
