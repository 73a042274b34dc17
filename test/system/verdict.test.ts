import { readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import type { Verdict } from '../../src/doctor/verdict.ts';
import type { CallOnHost } from '../../src/node-agent/on-host.ts';
import { examineNode } from '../../src/node-agent/reconcile.ts';
import { guardedProgram } from '../../src/rootfs/guarded-program.ts';
import { type GlusterServer, startGlusterServer } from '../support/gluster/gluster-server.ts';
import { askedUnless } from '../support/node/examination.ts';
import { examineIn } from '../support/node/examine.ts';
import { kernelWith, wholeKernel } from '../support/node/kernel.ts';
import {
  installedMounter,
  kubeletDirectory,
  mounter,
  mounterHome,
  type NodeRequest,
  ScratchNode,
} from '../support/node/namespace.ts';
import { makeSbinWritable } from '../support/node/writable-sbin.ts';
import { parseExposition } from '../support/texts/exposition-grammar.ts';

/**
 * One node, one verdict: what `status`, `doctor`, the metrics and the readiness of the node agent say of a node that is
 * broken in some way is the same, for each filesystem type, and a mount on that node then does what they say.
 */

const home = mounterHome;
const rootfs = `$(realpath ${home}/rootfs)`;
const manifest = `${home}/rootfs-manifest.json`;

const ready = { nfs: 'ready', nfs4: 'ready', glusterfs: 'ready' } as const;
const failing = { nfs: 'failing', nfs4: 'failing', glusterfs: 'failing' } as const;
const off = { nfs: 'off', nfs4: 'off', glusterfs: 'off' } as const;
const isReady: Verdict = { node: 'ready', types: ready };
const isOff: Verdict = { node: 'off', types: off };
const fails = (types: Verdict['types'] = failing): Verdict => ({
  node: 'failing',
  types: { ...ready, ...types },
});

interface State {
  /** Run on a node that is prepared. */
  readonly script?: string;
  /** Then laid over its manifest. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly verdict: Verdict;
  readonly request?: NodeRequest;
  /** Why no mount is tried. */
  readonly isTold?: true;
}

const states: Readonly<Record<string, State>> = {
  'in order': { script: '', verdict: isReady },
  'not prepared': { script: `${installedMounter} teardown`, verdict: fails() },
  'nothing installed': { script: `${installedMounter} teardown; rm -r ${home}`, verdict: fails() },
  'turned off by mounter disable': { script: `${installedMounter} disable`, verdict: isOff },
  'turned off by the manifest': {
    settings: { enabled: false },
    verdict: isOff,
  },
  'turned off until the next boot': { script: 'touch /run/containerized-mounter/disabled', verdict: isOff },
  'turned off, with a broken manifest': {
    script: `${installedMounter} disable; echo '{' >${manifest}`,
    verdict: isOff,
  },
  'turned off, with a helper of mount(8) that is ours': {
    script: `${installedMounter} install --helpers`,
    settings: { enabled: false },
    verdict: { node: 'failing', types: off },
  },
  'the helper of NFS gone': {
    script: `rm ${rootfs}/usr/sbin/mount.nfs`,
    verdict: fails({ nfs: 'failing', nfs4: 'failing' }),
  },
  'the name of the helper for one type gone': {
    script: `rm ${rootfs}/usr/sbin/mount.nfs4`,
    verdict: fails({ nfs4: 'failing' }),
  },
  'the helper of GlusterFS gone': {
    script: `rm ${rootfs}/usr/sbin/mount.glusterfs`,
    verdict: fails({ glusterfs: 'failing' }),
  },
  'the helper of GlusterFS no program': {
    script: `chmod 644 ${rootfs}/usr/sbin/mount.glusterfs`,
    verdict: fails({ glusterfs: 'failing' }),
  },
  'a program that the helper calls gone': {
    script: `rm ${rootfs}/usr/bin/sed`,
    verdict: fails({ glusterfs: 'failing' }),
  },
  'a file that lock services look up gone': {
    script: `rm ${rootfs}/etc/netconfig`,
    verdict: fails({ nfs: 'failing' }),
  },
  'the interpreter gone': { script: `rm ${rootfs}/lib64/ld-linux-x86-64.so.2`, verdict: fails() },
  'a library of GlusterFS gone': {
    script: `rm ${rootfs}/usr/lib/x86_64-linux-gnu/libglusterfs.so.0*`,
    verdict: fails({ glusterfs: 'failing' }),
  },
  'a translator that volumes may have gone': {
    script: `rm ${rootfs}/usr/lib/x86_64-linux-gnu/glusterfs/*/xlator/features/utime.so`,
    verdict: fails({ glusterfs: 'failing' }),
    isTold: true,
  },
  'the directory of libraries closed': {
    script: `chmod 700 ${rootfs}/usr/lib`,
    verdict: fails(),
    isTold: true,
  },
  'a library of NFS gone': {
    script: `rm ${rootfs}/usr/lib/x86_64-linux-gnu/libmount.so.1*`,
    verdict: fails({ nfs: 'failing', nfs4: 'failing' }),
  },
  'the guard of GlusterFS gone': {
    script: `rm ${rootfs}${guardedProgram}`,
    verdict: fails({ glusterfs: 'failing' }),
  },
  'a guard of another version': {
    script: `printf x >>${rootfs}/usr/sbin/glusterfs`,
    verdict: isReady,
  },
  'the locks of mounts gone': { script: 'rm -r /run/containerized-mounter/locks', verdict: isReady },
  'rpc.statd gone': { script: `rm ${rootfs}/usr/sbin/rpc.statd`, verdict: fails({ nfs: 'failing' }) },
  'a kernel without NFS': {
    script: kernelWith('fuse'),
    verdict: { node: 'ready', types: { nfs: 'lacking', nfs4: 'lacking', glusterfs: 'ready' } },
  },
  'a kernel without FUSE': {
    script: `${kernelWith('nfs', 'nfs4')}; touch /tmp/none; mount --bind /tmp/none /dev/fuse`,
    verdict: { node: 'ready', types: { ...ready, glusterfs: 'lacking' } },
  },
  'a kernel without any of them': { script: kernelWith(), verdict: fails(), isTold: true },
  'NFS taken away, and its programs gone': {
    script: `rm ${rootfs}/usr/sbin/mount.nfs* ${rootfs}/usr/sbin/rpc*`,
    settings: { filesystems: { nfs: null, nfs4: null } },
    verdict: { node: 'ready', types: { glusterfs: 'ready' } },
  },
  'no /dev/fuse': {
    script: 'touch /tmp/none; mount --bind /tmp/none /dev/fuse',
    verdict: fails({ glusterfs: 'failing' }),
  },
  'the kubelet directory writable by others': { script: `chmod 777 ${kubeletDirectory}`, verdict: fails() },
  'the kubelet directory another group’s': {
    script: `chmod 775 ${kubeletDirectory}; chgrp 7 ${kubeletDirectory}`,
    verdict: fails(),
  },
  'the directory of Pods writable by others': {
    script: `mkdir -p ${kubeletDirectory}/pods; chmod 1777 ${kubeletDirectory}/pods`,
    verdict: fails(),
  },
  'the directory of Pods a symlink': {
    script: `rm -r ${kubeletDirectory}/pods; mkdir /var/lib/pods; ln -s ../pods ${kubeletDirectory}/pods`,
    verdict: fails(),
  },
  'the kubelet directory no directory': {
    script: `rm -r ${kubeletDirectory}; touch ${kubeletDirectory}`,
    verdict: fails(),
  },
  'an rpcbind of the host that is deaf': {
    script: `cp /usr/bin/perl /tmp/rpcbind
      /tmp/rpcbind -MIO::Socket::INET -e 'IO::Socket::INET->new(LocalPort => 111, Listen => 5) and sleep' </dev/null >/dev/null 2>&1 &
      until ss -Hltn 'sport = 111' | grep -q .; do sleep 0.05; done`,
    verdict: fails({ nfs: 'failing' }),
  },
  'lock services that were killed': {
    script: `${installedMounter} exec -- /usr/sbin/start-statd; killall -KILL rpcbind rpc.statd`,
    verdict: isReady,
  },
  'no resolv.conf': { script: `rm ${rootfs}/etc/resolv.conf`, verdict: isReady },
  'a broken manifest': { script: `echo '{' >${manifest}`, verdict: fails() },
  'a manifest that was changed': { settings: { limits: { connectSeconds: 4 } }, verdict: isReady },
  'no executable': { script: `rm ${installedMounter}`, verdict: fails() },
  'an executable that is none': { script: `chmod 644 ${installedMounter}`, verdict: fails() },
  'no full executable': { script: `rm ${installedMounter}-full`, verdict: isReady },
  'the kubelet directory private, with chroot': {
    script: `mount --make-private ${kubeletDirectory}`,
    verdict: fails(),
    request: { enter: 'chroot' },
  },
  'the devices gone, with chroot': {
    script: `umount ${home}/rootfs/dev`,
    verdict: fails(),
    request: { enter: 'chroot' },
  },
  'the pinned namespaces gone': {
    script: 'umount /run/containerized-mounter/namespaces/*/*s',
    verdict: fails(),
    request: { enter: 'attach' },
  },
  'a home that is noexec': { script: 'mount -o remount,noexec /home', verdict: fails() },
  'a home that is read-only': { script: 'mount -o remount,ro /home', verdict: isReady },
  'full disks': {
    script: `for place in /home /var/log; do
      mount -o remount,size=$(($(df --output=used $place | tail -n 1) + 64))k $place; cat /dev/zero >$place/zero || true
    done`,
    verdict: isReady,
  },
  'a full disk below the state of NFS': {
    script: 'mount -o remount,size=1m /var/lib; cat /dev/zero >/var/lib/zero || true',
    verdict: fails({ nfs: 'failing' }),
  },
  '/run read-only': { script: 'mount -o remount,ro /run', verdict: fails({ nfs: 'failing' }) },
  'a record that cannot be written': { script: 'mount -o remount,ro /var/log', verdict: isReady },
  'a record that is a directory': {
    script:
      'rm -f /var/log/containerized-mounter/mounter.log*; mkdir /var/log/containerized-mounter/mounter.log',
    verdict: isReady,
  },
  'the limit of mounts reached': {
    script: 'echo 20 >/tmp/max; mount --bind /tmp/max /proc/sys/fs/mount-max',
    verdict: fails(),
    isTold: true,
  },
};

let server: GlusterServer;
test.before(async () => {
  server = await startGlusterServer({ volumes: ['v1'] });
});
test.after.always(() => server?.[Symbol.asyncDispose]());

for (const [title, { script = '', settings, verdict, request, isTold }] of Object.entries(states)) {
  test.serial(`${title}: one verdict`, async (t) => {
    await using node = await ScratchNode.prepared({ ...request, enterNetwork: server.enter });
    await makeSbinWritable(node);
    await node.shell(`${wholeKernel}\nmkdir -p ${kubeletDirectory}/pods/v\n${script}`);
    if (settings !== undefined) laySettings(node, settings);
    const examined = await examineIn(node);
    const isFailing = verdict.node === 'failing';
    // A check that a busy machine keeps from its end says nothing.
    const status = await askedUnless(
      (ran) => (ran.status !== 0) !== isFailing,
      () => node.run([mounter, 'status', '--json']),
      3,
    );
    const metrics = await askedUnless(
      ({ stdout }) => stdout.includes('\nmounter_healthy 0\n') !== isFailing,
      () => node.run([mounter, 'status', '--metrics']),
      3,
    );
    const call: CallOnHost = (argv) => node.run([mounter, ...argv]);
    const agent = await askedUnless(
      ({ isReady }) => isReady === isFailing,
      () => examineNode({ call }, new AbortController().signal),
      3,
    );
    t.is(metrics.status, 0, metrics.stderr);
    const types = Object.keys(examined.verdict.types);
    const expected = {
      ...verdict,
      types: Object.fromEntries(types.map((type) => [type, verdict.types[type]])),
    };
    const reasons = examined.findings.filter(({ level }) => level === 'failing');
    t.deepEqual(examined.verdict, expected, JSON.stringify(reasons, undefined, 2));
    t.deepEqual(JSON.parse(status.stdout).verdict, expected);
    t.deepEqual(gauges(metrics.stdout), {
      healthy: isFailing ? 0 : 1,
      ready: Object.fromEntries(types.map((type) => [type, verdict.types[type] === 'ready' ? 1 : 0])),
    });
    t.deepEqual(
      [examined.status, status.status, agent.isReady ? 0 : 1],
      Array.from({ length: 3 }, () => (isFailing ? 1 : 0)),
    );
    if (isTold || verdict.types.glusterfs === 'off') return;
    t.is(await canMount(node), verdict.types.glusterfs === 'ready', 'a mount');
  });
}

function laySettings(node: ScratchNode, settings: Readonly<Record<string, unknown>>): void {
  const path = node.path(manifest);
  const before = JSON.parse(readFileSync(path, 'utf8'));
  const merged = Object.entries(settings).map(([name, value]) => [
    name,
    typeof value === 'object' ? { ...before[name], ...value } : value,
  ]);
  writeFileSync(path, JSON.stringify({ ...before, ...Object.fromEntries(merged) }));
}

function gauges(text: string) {
  const samples = parseExposition(text);
  return {
    healthy: samples.find(({ name }) => name === 'mounter_healthy')?.value,
    ready: Object.fromEntries(
      samples
        .filter(({ name }) => name === 'mounter_ready')
        .map(({ labels, value }) => [labels.get('type'), value]),
    ),
  };
}

async function canMount(node: ScratchNode): Promise<boolean> {
  const target = `${kubeletDirectory}/pods/v`;
  const argv = ['mount', '-t', 'glusterfs', `${server.address}:v1`, target];
  const { status } = await node.run([installedMounter, ...argv]);
  if (status === 0) await node.shell(`ls ${target} >/dev/null; umount ${target}`);
  return status === 0;
}
