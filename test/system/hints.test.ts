import test from 'ava';
import { newTarget, type Setting, setting } from '../support/gluster/gluster-node.ts';
import {
  act,
  followHints,
  give,
  type HintNode,
  type HintRow,
  installWhatIsShown,
  name,
  run,
  takeOut,
  told,
} from '../support/hints/hint-row.ts';
import { kubeletDirectory, mounter, mounterHome, rootfsTar } from '../support/node/namespace.ts';

/** Hints of GlusterFS, and about a node's settings: as in test/vm/hints.test.ts. */

let s: Setting;
test.serial.before(async () => {
  s = await setting();
});
test.after.always(() => s[Symbol.asyncDispose]());

const node: HintNode = {
  newTarget: () => newTarget(s.node),
  isMounted: async (target) => s.node.entriesOf(target).length > 0,
  run: async (script) => {
    const environment = { PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${mounterHome}` };
    const { status, stdout } = await s.node.run(['bash', '-c', `exec 2>&1; ${script}`], { environment });
    return { status, output: stdout };
  },
};

/** What an administrator of the servers types there. */
const gluster = (command: string) =>
  s.server.run(['sh', '-c', command.replace(/^gluster /, 'gluster --mode=script ')]);

const manifest = `${mounterHome}/rootfs-manifest.json`;
/** A manifest in which `change` has been done to `m`, taken back after the row. */
const changed = (change: string) => ({
  broken: async () => {
    const m = JSON.parse(s.node.read(manifest));
    new Function('m', change)(m);
    await s.node.run(['sh', '-c', `cp ${manifest} /tmp/manifest; cat >${manifest}`], {
      input: JSON.stringify(m),
    });
  },
  after: `cp /tmp/manifest ${manifest}`,
});

const servers: readonly HintRow[] = [
  {
    title: 'a volume that there is not',
    call: { source: '10.77.0.1:nosuch' },
    hint: /^run (gluster volume info) on 10\.77\.0\.1 and compare the name; /,
    follow: [
      act(async (situation) => {
        const [, volume] = /^Volume Name: (v1)$/m.exec(await gluster(told(situation))) ?? [];
        situation.read(`10.77.0.1:${volume}`);
      }),
      name('source'),
    ],
  },
  {
    title: 'a brick that is down',
    broken: () => s.server.killBrick('v2'),
    call: { source: '10.77.0.1:v2' },
    hint: /; (gluster volume start v2 force) there, .* or a brick of it is down/,
    follow: [act((situation) => gluster(told(situation)))],
  },
  {
    title: 'a volume that is stopped',
    broken: () => gluster('gluster volume stop v2'),
    call: { source: '10.77.0.1:v2' },
    hint: /; (gluster volume start v2 force) there, where it is not started/,
    follow: [act((situation) => gluster(told(situation)))],
  },
  {
    title: 'a directory of the volume that there is not',
    call: { source: '10.77.0.1:v1/no/such' },
    hint: /; (a directory of the volume has to exist)$/m,
    follow: [
      act((situation) =>
        situation.node.run(
          'mkdir -p /var/lib/kubelet/whole; mounter mount -t glusterfs 10.77.0.1:v1 /var/lib/kubelet/whole; mkdir -p /var/lib/kubelet/whole/no/such; umount /var/lib/kubelet/whole',
        ),
      ),
    ],
  },
  {
    title: 'a volume that is not for this node',
    broken: () => gluster('gluster volume set v1 auth.reject 10.77.0.1'),
    call: {},
    hint: /^run (gluster volume info v1) on 10\.77\.0\.1: .*; or (gluster volume reset v1 auth\.reject), /,
    follow: [
      act(async (situation) => {
        situation.t.regex(await gluster(told(situation)), /^auth\.reject: 10\.77\.0\.1$/m);
        await gluster(told(situation, 2));
      }),
    ],
  },
  {
    title: 'another port than glusterd has',
    call: { options: 'server-port=9' },
    hint: /or name the port it listens on with -o (server-port=PORT)$/m,
    follow: [give(1, { PORT: '24007' })],
  },
  {
    title: 'glusterd is stopped',
    broken: () => s.server.signalGlusterd('KILL'),
    call: {},
    hint: /^start (glusterd) on 10\.77\.0\.1, /,
    follow: [act((situation) => gluster(`${told(situation)} --pid-file=/run/glusterd.pid`))],
  },
  {
    title: 'a source without a server',
    call: { source: 'v1' },
    hint: /^write (SERVER:VOLUME) /,
    follow: [name('source', 1, { SERVER: '10.77.0.1', VOLUME: 'v1' })],
  },
];

const options: readonly HintRow[] = [
  {
    title: 'an option that there is not',
    call: { options: 'foo' },
    hint: /^take (the option) out of mountOptions; /,
    follow: [act(async (situation) => situation.read('foo')), takeOut()],
  },
  {
    title: 'a log in the directory of Pods',
    call: { options: `log-file=${kubeletDirectory}/pods/x.log` },
    hint: /^leave (log-file) out, or /,
    follow: [takeOut()],
  },
  {
    title: 'an option that is required',
    ...changed("m.policy = { options: { required: ['acl'] } }"),
    call: { options: 'log-level=ERROR' },
    hint: /^add (acl) to the mount options, /,
    follow: [give()],
  },
  {
    title: 'an option that is not among those allowed',
    ...changed("m.policy = { options: { allowed: ['log-level=ERROR'] } }"),
    call: { options: 'acl' },
    hint: /^allowed are, spelled exactly so: (log-level=ERROR)$/m,
    follow: [act(async (situation) => situation.change({ options: told(situation) }))],
  },
  {
    title: 'a source that is not among those allowed',
    ...changed("m.policy = { sources: [{ server: '10.77.0.1', volume: 'v1' }] }"),
    call: { source: '10.77.0.1:v2' },
    hint: /^mount one of those allowed: (10\.77\.0\.1:v1)$/m,
    follow: [name('source')],
  },
];

const nodes: readonly HintRow[] = [
  {
    title: 'a type that the settings have turned off',
    ...changed('m.filesystems.glusterfs = null'),
    call: {},
    hint: /: (filesystems\.glusterfs) of the settings is null or missing; /,
    follow: [act(() => s.node.shell(`cp /tmp/manifest ${manifest}`))],
  },
  {
    title: 'a field of the manifest that is wrong',
    ...changed("m.limits.mountSeconds = 'soon'"),
    call: {},
    hint: /^(mend this field), or /,
    follow: [act(() => s.node.shell(`cp /tmp/manifest ${manifest}`))],
  },
  {
    title: 'a GlusterFS that is not guarded',
    broken: `rm ${mounterHome}/rootfs/.mounter-glusterfs`,
    call: {},
    hint: /^run (mounter prepare)$/m,
    follow: [run()],
  },
  {
    title: 'a helper that is missing in the rootfs',
    broken: `rm ${mounterHome}/rootfs/sbin/mount.glusterfs`,
    call: {},
    hint: /^run (mounter install SOURCE) again, with the SOURCE that (mounter versions) shows, where no node agent does/m,
    follow: [installWhatIsShown],
  },
  {
    title: 'a program that the helper calls is missing in the rootfs',
    broken: `rm ${mounterHome}/rootfs/bin/sed`,
    call: {},
    hint: /: run (mounter install SOURCE) again, with the SOURCE that (mounter versions) shows, where no node agent does/m,
    follow: [installWhatIsShown],
  },
  {
    title: 'a library that is missing in the rootfs',
    broken: `rm $(find ${mounterHome}/rootfs/ -name 'libglusterfs.so*')`,
    call: {},
    hint: /: run (mounter install SOURCE) again, with the SOURCE that (mounter versions) shows, where no node agent does/m,
    follow: [installWhatIsShown],
  },
  {
    title: 'a node that is not prepared',
    broken: 'mounter teardown',
    call: {},
    hint: /^run (mounter prepare)$/m,
    follow: [run()],
  },
  {
    title: 'no full executable, and a manifest that only it can read',
    broken: `rm ${mounterHome}/mounter-full; echo >>${manifest}`,
    call: {},
    hint: /^run the mounter that was downloaded: (mounter install SOURCE) places it again$/m,
    follow: [run(1, { mounter, SOURCE: rootfsTar })],
  },
  {
    title: 'another volume on the target',
    broken: `mkdir -p ${kubeletDirectory}/taken; mounter mount -t glusterfs 10.77.0.1:v2 ${kubeletDirectory}/taken`,
    call: { target: `${kubeletDirectory}/taken` },
    hint: /^run (umount \S+) first, /,
    follow: [run()],
  },
];

followHints(
  test,
  node,
  { type: 'glusterfs', options: '', source: '10.77.0.1:v1', program: 'mounter mount' },
  [...servers, ...options, ...nodes],
);
