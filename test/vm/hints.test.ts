import { deepEqual } from 'node:assert/strict';
import { mkdtemp, realpath, writeFile } from 'node:fs/promises';
import test from 'ava';
import { execa } from 'execa';
import { type GlusterServer, startGlusterServer } from '../support/gluster/gluster-server.ts';
import { type DnsServer, startDnsServer } from '../support/guest/dns.ts';
import { examine, faults, faultsOf } from '../support/guest/examined.ts';
import { entriesOf, home, kubeletDirectory, mountNfs, newTarget } from '../support/guest/node.ts';
import { rpcProcesses, startHostRpcbind } from '../support/guest/rpc.ts';
import { vmNode } from '../support/guest/vm-node.ts';
import {
  act,
  followHints,
  give,
  type HintNode,
  type HintRow,
  name,
  onServer,
  run,
  see,
  takeOut,
  told,
} from '../support/hints/hint-row.ts';
import { everyNth } from '../support/long-run.ts';

/** Each hint is followed to the letter on a node that is broken in its way. A new hint is a new row. */

const { server, v3Server, v4Server, otherServer } = vmNode(test);

const node: HintNode = {
  newTarget,
  isMounted: async (target) => (await entriesOf(target)).length > 0,
  run: async (script) => {
    const { exitCode = -1, all } = await execa('bash', ['-c', script], {
      ...{ reject: false, all: true, stdin: 'ignore', timeout: 120_000, stripFinalNewline: false },
      env: { PATH: `${process.env.PATH}:${home}` },
    });
    return { status: exitCode, output: all };
  },
};

const resolvConf = `${home}/rootfs/etc/resolv.conf`;
const manifest = `${home}/rootfs-manifest.json`;
const state = '/var/lib/containerized-mounter/nfs';
const below = `${kubeletDirectory}/pods/hints`;

let dns: DnsServer;
let mountdPort = '';
let gluster: GlusterServer;

test.serial.before(async () => {
  dns = await startDnsServer({ 'files.example': '10.9.0.1', 'far.example': v4Server.address }, '127.0.0.53');
  const nameServer = 'nameserver 127.0.0.53\noptions timeout:1 attempts:1\n';
  for (const path of ['/etc/resolv.conf', resolvConf]) await writeFile(path, nameServer);
  await writeFile('/tmp/resolv.conf', nameServer);
  const bricks = await mkdtemp('/server/data/bricks-');
  gluster = await startGlusterServer({ volumes: ['v1'], network: 'current', bricks });
});
test.after.always(async () => {
  await dns.close();
  await gluster.stop();
});

const sources: readonly HintRow[] = [
  '10.9.0.1/srv/vol1',
  '//10.9.0.1/srv/vol1',
  'nfs://10.9.0.1/srv/vol1',
  '[fd00:9:0::1:/srv/vol1',
  '[fd00:9:0::1]/srv/vol1',
  'fd00:9:0::1:/srv/vol1',
].map((source) => ({
  title: `a source that is written ${source}`,
  call: { source },
  hint: /^write (\S+)\n/,
  follow: [name('source')],
}));

const arguments_: readonly HintRow[] = [
  {
    title: 'a type that is misspelled',
    call: { type: 'nsf' },
    hint: /^did you mean (nfs)\? /,
    follow: [name('type')],
  },
  {
    title: 'a source that is an option',
    call: { source: 'vers=4.2' },
    hint: /name what to mount, such as (SERVER:\/EXPORT)\n/,
    follow: [name('source', 1, { 'SERVER:/EXPORT': '10.9.0.1:/srv/vol1' })],
  },
  {
    title: 'two versions',
    call: { options: 'vers=3,vers=4.2' },
    hint: /^name the version once, as (vers=3), vers=4\.1 or vers=4\.2\n/,
    follow: [give()],
  },
  {
    title: 'bg',
    call: { options: 'vers=4.2,bg' },
    hint: /^leave (bg) out: /,
    follow: [takeOut()],
  },
  {
    title: 'an option that the policy forbids',
    call: { options: 'vers=4.2,loop' },
    hint: /^leave (it) out; /,
    follow: [act(async (s) => s.change({ options: 'vers=4.2' }))],
  },
  {
    title: 'not root',
    call: { program: 'setpriv --reuid=65534 --regid=65534 --clear-groups mounter mount' },
    hint: /^run it as root, or with sudo\n/,
    follow: [act(async (s) => s.change({ program: 'mounter mount' }))],
  },
];

const options: readonly HintRow[] = [
  ...(['3', '4.2'] as const).map((version) => ({
    title: `proto=tcp6 to an IPv4 address, v${version}`,
    call: { options: `vers=${version},proto=tcp6` },
    hint: /^write (proto=tcp), for 10\.9\.0\.1 has no IPv6 address/,
    follow: [give()],
  })),
  {
    title: 'proto=tcp to an IPv6 address',
    call: { options: 'vers=4.2,proto=tcp', source: '[fd00:9:0::1]:/srv/vol1' },
    hint: /^write (proto=tcp6), for fd00:9:0::1 has no IPv4 address/,
    follow: [give()],
  },
  {
    title: 'proto=tcp6 to a name that has an IPv4 address alone',
    call: { options: 'vers=4.2,proto=tcp6', source: 'files.example:/srv/vol1' },
    hint: /^write (proto=tcp), for files\.example has no IPv6 address/,
    follow: [give()],
  },
  {
    title: 'xprtsec=, and no certificate that this node trusts',
    call: { options: 'vers=4.2,xprtsec=tls' },
    hint: /^take (xprtsec=tls) out of mountOptions, /,
    follow: [takeOut()],
  },
  ...(['3', '4.2'] as const).map((version) => ({
    title: `noresvport at an export that is secure, v${version}: taken out`,
    call: { options: `vers=${version},noresvport` },
    hint: /^take (noresvport) out of mountOptions, /,
    follow: [takeOut()],
  })),
  {
    title: 'noresvport at an export that is secure: exported with insecure',
    call: { options: 'vers=4.2,noresvport', source: '10.9.0.1:/srv/vol2' },
    hint: /or have the directory exported with (insecure): /,
    follow: [act((s) => server.run('exportfs', '-o', `rw,no_subtree_check,${told(s)}`, '*:/srv/vol2'))],
    after: () => server.run('exportfs', '-r'),
  },
  ...(['3', '4.2'] as const).map((version) => ({
    title: `sec=krb5 without Kerberos, v${version}`,
    call: { options: `vers=${version},sec=krb5` },
    hint: /^put a keytab .*; or use (sec=sys), where /,
    follow: [give()],
  })),
  ...['foo=bar', 'lookupcache=bogus', 'rsize=abc'].map((option) => ({
    title: `${option}: the kernel names it`,
    call: { options: `vers=4.2,${option}` },
    hint: /^take it out of mountOptions: (dmesg \| tail) names/,
    follow: [
      see(new RegExp(`(${option.split('=')[0]})'?[^\n]*\n?$`)),
      act(async (s) => s.read(option)),
      takeOut(),
    ],
  })),
  {
    title: 'a value that is out of range, which the kernel does not name',
    call: { options: 'vers=4.2,nconnect=99' },
    hint: /; where it names none, (a value is out of range): see nfs\(5\)/,
    follow: [act(async (s) => s.read('nconnect=99')), takeOut()],
  },
  {
    title: 'v4 by UDP',
    call: { options: 'vers=4.2,proto=udp' },
    hint: /^write (proto=tcp), /,
    follow: [give()],
  },
  {
    title: 'a version that there is not',
    call: { options: 'vers=4.9' },
    hint: /^there is no NFSv4\.9: ask for one of .*, (vers=4\.2)\n/,
    follow: [give()],
  },
  {
    title: 'a version that the kernel has no more',
    call: { options: 'vers=2' },
    hint: /^run (mounter exec -- rpcinfo -p 10\.9\.0\.1) to see .* with -o (vers=)/,
    follow: [see(/^ +100003 +(\d) +tcp .* nfs$/m), act(async (s) => s.read(`vers=${s.groups[1]}`)), give()],
  },
  {
    title: 'an option of NFSv3 with v4',
    call: { options: 'vers=4.2,mountport=1' },
    hint: /^take (mountport=1) out of mountOptions, /,
    follow: [takeOut()],
  },
];

const exports: readonly HintRow[] = [
  ...(['3', '4.2'] as const).map((version) => ({
    title: `an export for others, v${version}`,
    call: { source: '10.9.0.1:/srv/secret', options: `vers=${version}` },
    hint: /^run (mounter exec -- showmount -e 10\.9\.0\.1).*: if (\S+) is in the list, .*: (exportfs -o \S+ ADDRESS:\S+) /,
    follow: [
      act(async (s) => s.t.regex((await s.node.run(told(s))).output, /^\/srv\/secret +192\.0\.2/m)),
      onServer(server, 3, { ADDRESS: '10.9.0.254' }),
    ],
    after: () => server.run('exportfs', '-r'),
  })),
  ...(['3', '4.2'] as const).map((version) => ({
    title: `no such export, v${version}`,
    call: { source: '10.9.0.1:/srv/vol7', options: `vers=${version}` },
    hint: /^run (mounter exec -- showmount -e 10\.9\.0\.1).*; if not, name one that is\n/,
    follow: [see(/^(\/srv\/vol1) /m), name('source', 1, { '/srv': '10.9.0.1:/srv' })],
  })),
  {
    title: 'no such export of a server of NFSv4 alone',
    call: { source: '10.9.2.1:/srv/vol7' },
    hint: /\((exportfs -v) on 10\.9\.2\.1 where it has NFSv4 alone\)/,
    follow: [
      act(async (s) => {
        const [path = ''] = /^\/srv\/vol1/m.exec(await v4Server.run('bash', '-c', told(s))) ?? [];
        s.read(`10.9.2.1:${path}`);
      }),
      name('source'),
    ],
  },
  {
    title: 'v4 asked of a server of NFSv3 alone',
    call: { source: `${v3Server.address}:/srv/vol1` },
    hint: /^run (mounter exec -- rpcinfo -p 10\.9\.1\.1) to see .* with -o (vers=)/,
    follow: [see(/^ +100003 +(\d) +tcp .* nfs$/m), act(async (s) => s.read(`vers=${s.groups[1]}`)), give()],
  },
  {
    title: 'v3 asked of a server of NFSv4 alone',
    call: { source: '10.9.2.1:/srv/vol1', options: 'vers=3' },
    hint: /^ask for (vers=4), which /,
    follow: [give()],
  },
  {
    title: 'another port than the server has',
    call: { options: 'vers=4.2,port=9' },
    hint: /or name its port with -o (port=PORT); (mounter exec -- rpcinfo -p 10\.9\.0\.1) lists/,
    follow: [
      act(async (s) => s.t.regex((await s.node.run(told(s, 2))).output, / 2049 +nfs$/m)),
      give(1, { PORT: '2049' }),
    ],
  },
  {
    title: 'a server whose services are stopped',
    broken: () => otherServer.stopServices(),
    call: { source: '10.9.5.1:/srv/vol1' },
    hint: /^start the NFS server on 10\.9\.5\.1, /,
    follow: [act(() => otherServer.startServices())],
  },
  {
    title: 'a server whose packets are dropped',
    broken: () => otherServer.dropPackets(),
    call: { source: '10.9.5.1:/srv/vol1' },
    hint: /^see whether 10\.9\.5\.1 is up, and whether a firewall or network policy drops TCP port 2049 /,
    follow: [act(() => otherServer.passPackets())],
  },
  ...['10.9.2.1', 'far.example'].map((host) => ({
    title: `no route to ${host}`,
    broken: `ip route delete 10.9.2.0/24 dev ${v4Server.device}`,
    call: { source: `${host}:/srv/vol1` },
    hint: /^run (ip route get 10\.9\.2\.1) on this node: where it prints an error, .* \((ip route add), /,
    follow: [
      act(async (s) => {
        s.t.not((await s.node.run(told(s))).status, 0);
        s.read(`${told(s, 2)} 10.9.2.0/24 dev ${v4Server.device}`);
      }),
      run(),
    ],
    after: `ip route replace 10.9.2.0/24 dev ${v4Server.device}`,
  })),
  {
    title: 'a route that is prohibited',
    broken: `ip route add prohibit ${v4Server.address}`,
    call: { source: `${v4Server.address}:/srv/vol1` },
    hint: /^run (ip route get \S+) on this node: where it prints an error, .*, or (ip route delete)\)/,
    follow: [
      act(async (s) => {
        s.t.not((await s.node.run(told(s))).status, 0);
        s.read(`${told(s, 2)} prohibit ${v4Server.address}`);
      }),
      run(),
    ],
  },
  {
    title: 'IPv6 is off on the node',
    broken: 'sysctl -w net.ipv6.conf.all.disable_ipv6=1',
    call: { source: '[fd00:9:0::1]:/srv/vol1' },
    hint: /or turn IPv6 on, (sysctl -w \S+), and give this node an address /,
    follow: [run(), act((s) => s.node.run(`ip address add fd00:9:0::fe/64 dev ${server.device} nodad`))],
  },
  {
    title: 'NFSv3 of a server without rpcbind, at ports of its own',
    broken: async () => {
      mountdPort = /^ +100005 +3 +tcp +(\d+) /m.exec(await otherServer.run('rpcinfo', '-p'))?.[1] ?? '';
      await otherServer.run('bash', '-c', 'kill $(pidof rpcbind)');
    },
    call: { source: `${otherServer.address}:/srv/vol1`, options: 'vers=3' },
    hint: /or for (port=PORT,mountport=PORT,proto=tcp,nolock) together; /,
    follow: [
      act(async (s) => {
        const ports = told(s, 1, { 'port=PORT': 'port=2049', 'mountport=PORT': `mountport=${mountdPort}` });
        s.change({ options: `vers=3,${ports}` });
      }),
    ],
  },
  {
    title: 'a directory that was made anew on the server, and is mounted on the target',
    broken: `mkdir -p ${server.directory}/vol1/anew ${below}/stale
      mounter mount -t nfs -o vers=3,nolock 10.9.0.1:/srv/vol1/anew ${below}/stale
      rm -r ${server.directory}/vol1/anew; mkdir ${server.directory}/vol1/anew
      ls ${below}/stale || true`,
    call: { source: '10.9.0.1:/srv/vol1/anew', target: `${below}/stale`, options: 'vers=3,nolock' },
    hint: /^run (umount -l \S+), and mount again; (exportfs -r) on the server/,
    follow: [run(1), onServer(server, 2)],
  },
];

const targets: readonly HintRow[] = [
  {
    title: 'a target that is not there',
    call: { target: `${below}/it's $(not) there` },
    hint: /^run (mkdir -p .*), and mount again\n/,
    follow: [run()],
  },
  {
    title: 'a target that is a symlink',
    broken: `mkdir -p ${below}/real && ln -s real ${below}/link`,
    call: { target: `${below}/link` },
    hint: /: (readlink -f \S+) prints it\n/,
    follow: [see(/(\S+)/), name('target')],
  },
  {
    title: 'a symlink on the way to the target',
    broken: `mkdir -p ${below}/real/volume && ln -sfn real ${below}/link`,
    call: { target: `${below}/link/volume` },
    hint: /: (readlink -f \S+) prints it\n/,
    follow: [see(/(\S+)/), name('target')],
  },
  {
    title: 'a way to the target that others can write in',
    broken: `mkdir -p ${below}/open/volume && chmod 777 ${below}/open && chown 5:5 ${below}/open`,
    call: { target: `${below}/open/volume` },
    hint: /^run (chown root:root \S+ && chmod go-w \S+), /,
    follow: [run()],
  },
  {
    title: 'a name of the target that is longer than 255 bytes',
    call: { target: `${below}/${'é'.repeat(128)}` },
    hint: /^mount on a shorter path\n/,
    follow: [act(async (s) => s.change({ target: await newTarget() }))],
  },
  {
    title: 'a target outside of the kubelet directory',
    call: { target: '/mnt' },
    hint: /^mount below (\/var\/lib\/kubelet), or /,
    follow: [
      act((s) => s.node.run(`mkdir -p ${told(s)}/outside`)),
      name('target', 1, { '/var/lib/kubelet': '/var/lib/kubelet/outside' }),
    ],
  },
  {
    title: 'a target that is taken',
    broken: `mkdir -p '${below}/a b' && mount -t tmpfs tmpfs '${below}/a b'`,
    call: { target: `${below}/a b` },
    hint: /^run (umount .*) first, /,
    follow: [run()],
  },
];

/** What a doctor's line names, in the place of a hint of the mount. */
const doctor = (finding: RegExp) => see(finding);

const nodes: readonly HintRow[] = [
  {
    title: 'a node that is not prepared',
    broken: 'mounter teardown',
    call: {},
    hint: /^run (mounter prepare)\n/,
    follow: [run()],
  },
  {
    title: 'a mount helper of a mounter that is turned off',
    broken: `mounter disable; ln -s ${home}/mounter /sbin/mount.nfs`,
    call: { program: 'mount' },
    hint: /^(mounter enable) turns it on; /,
    follow: [run()],
    after: 'rm /sbin/mount.nfs',
  },
  {
    title: 'a server that does not answer within the time that the node gives a mount',
    broken: async () => {
      await node.run(
        `cp ${manifest} /tmp/manifest; sed -i 's/"mountSeconds": *110/"mountSeconds": 2/' ${manifest}`,
      );
      await server.dropPackets();
    },
    call: {},
    hint: /^see how the server 10\.9\.0\.1 fares: .*, raise (limits\.mountSeconds) in node-settings\.json, which is 2 now\n/,
    follow: [act(() => server.passPackets())],
    after: `cp /tmp/manifest ${manifest}`,
  },
  {
    title: 'no /dev/fuse',
    broken: 'umount /sys/fs/fuse/connections 2>/dev/null || true; modprobe -r fuse',
    call: { type: 'glusterfs', source: '10.77.0.1:v1', options: '' },
    hint: /^run (modprobe fuse)\n/,
    follow: [run()],
  },
  {
    title: 'no name server in the resolv.conf of the rootfs',
    broken: `: >${resolvConf}; : >/etc/resolv.conf`,
    call: { source: 'files.example:/srv/vol1' },
    hint: /^run (mounter doctor), /,
    follow: [
      doctor(/names no name server: .*; name one in the host's (\S+), or .*; then run (mounter prepare)/),
      act((s) => s.node.run(`cp /tmp/resolv.conf ${told(s)}`)),
      run(2),
    ],
    after: `cp /tmp/resolv.conf ${resolvConf}`,
  },
  {
    title: 'a name server that is not there',
    broken: `echo nameserver 127.0.0.99 >${resolvConf}`,
    call: { source: 'files.example:/srv/vol1' },
    hint: /^run (mounter doctor), /,
    follow: [
      doctor(/127\.0\.0\.99: this name server .*; start it, or name another one in (\S+);/),
      act(async (s) => s.node.run(`echo nameserver 127.0.0.53 >${told(s)}`)),
    ],
    after: `cp /tmp/resolv.conf ${resolvConf}`,
  },
  {
    title: 'fs.mount-max is reached',
    broken: 'echo $(($(wc -l </proc/self/mountinfo) + 1)) >/proc/sys/fs/mount-max',
    call: {},
    hint: /^run (sysctl -w fs\.mount-max=.*); /,
    follow: [run()],
    after: 'echo 100000 >/proc/sys/fs/mount-max',
  },
  {
    title: 'no mount namespace is allowed',
    broken: 'cat /proc/sys/user/max_mnt_namespaces >/tmp/before; echo 0 >/proc/sys/user/max_mnt_namespaces',
    call: {},
    hint: /^run (sysctl -w user\.max_mnt_namespaces=.*)\n/,
    follow: [run()],
    after: 'cat /tmp/before >/proc/sys/user/max_mnt_namespaces',
  },
  {
    title: 'a kernel without NFS',
    broken: `umount -a -t nfs,nfs4; modprobe -r nfsv4 nfsv3 nfs; mv /lib/modules/$(uname -r) /lib/modules/away`,
    call: {},
    hint: /^run (mounter doctor) /,
    follow: [
      doctor(
        /nfs: the kernel does not have it, and (\/lib\/modules\/\S+) has no module nfs; install the kernel's modules, /,
      ),
      act((s) => s.node.run(`mv /lib/modules/away ${told(s)}`)),
    ],
    after: 'test ! -e /lib/modules/away || mv /lib/modules/away /lib/modules/$(uname -r)',
  },
  {
    title: 'a module, and no modprobe',
    broken: `umount -a -t nfs,nfs4; modprobe -r nfsv4 nfsv3 nfs; mv /sbin/modprobe /tmp/modprobe`,
    call: {},
    hint: /^run (mounter doctor) /,
    follow: [
      doctor(/no modprobe\(8\) for the kernel to call; put modprobe at (\S+), or /),
      act((s) => s.node.run(`mv /tmp/modprobe ${told(s)}`)),
    ],
    after: 'test ! -e /tmp/modprobe || mv /tmp/modprobe /sbin/modprobe',
  },
  {
    title: 'chroot: a kubelet directory that is private',
    broken: `sed -i 's/"enter": *"[a-z]*"/"enter": "chroot"/' ${manifest}; mounter prepare; mount --make-private ${kubeletDirectory}`,
    call: {},
    hint: /: run (mounter prepare)\n/,
    follow: [run()],
    after: `umount -a -t nfs,nfs4; sed -i 's/"enter": *"[a-z]*"/"enter": "attach"/' ${manifest}; mounter prepare`,
  },
  {
    title: 'a manifest that is no JSON',
    broken: `cp ${manifest} /tmp/manifest; echo '{' >${manifest}`,
    call: {},
    hint: /^(mend the file), or /,
    follow: [act((s) => s.node.run(`cp /tmp/manifest ${manifest}`))],
  },
  {
    title: 'no rootfs',
    broken: `mounter teardown; rm -r ${home}/rootfs ${home}/versions`,
    call: {},
    hint: /^run (mounter install SOURCE), then (mounter prepare)\n/,
    follow: [run(1, { SOURCE: '/host/dist/rootfs.tar.zst' }), run(2)],
    after: `cp /tmp/resolv.conf ${resolvConf}`,
  },
];

/** What doctor finds then, and nothing else; ROOT is the rootfs. */
interface LockRow extends HintRow {
  readonly faults: readonly string[];
}

/** The lock services: a v3 mount fails, and v4 works. Their hint leads to doctor, and doctor's to what mends them. */
const lockServices: readonly LockRow[] = [
  {
    title: "the host's own rpcbind is deaf",
    faults: ['failing locks rpcbind'],
    ends: { status: 32, says: /rpcbind and rpc\.statd do not answer/ },
    broken: async () => {
      await startHostRpcbind('-w');
      for (const { pid } of await rpcProcesses()) process.kill(pid, 'SIGSTOP');
    },
    call: {},
    hint: /^run (mounter doctor), which says .* then (mounter exec -- \S+), /,
    follow: [doctor(/^failing +locks +rpcbind: .*; without systemd: (kill -KILL \d+), /m), run()],
  },
  {
    title: 'netconfig is missing in the rootfs',
    faults: ['failing rootfs ROOT'],
    broken: `rm ${home}/rootfs/etc/netconfig`,
    call: {},
    hint: /^run (mounter doctor), /,
    follow: [
      doctor(/^failing +rootfs .*etc\/netconfig.*; run (mounter install \S+), which mends it/m),
      run(),
    ],
    after: `cp /tmp/resolv.conf ${resolvConf}`,
  },
  {
    title: 'the NFS state is missing',
    faults: [`failing mounts ${state}`],
    broken: `rm -r ${state}`,
    call: {},
    hint: /^run (mounter doctor), /,
    follow: [doctor(/^failing +mounts +\S+\/nfs: .*; run (mounter prepare)$/m), run()],
  },
  {
    title: 'the NFS state is incomplete',
    faults: [`failing nfs-state ${state}`],
    broken: `rm -r ${state}/sm`,
    call: {},
    hint: /^run (mounter doctor), /,
    follow: [doctor(/^failing +nfs-state .*: (rm -r \S+ && mounter prepare), /m), run()],
  },
  {
    title: 'the disk of the NFS state is full',
    faults: [`failing space ${state}`],
    broken: `mount -t tmpfs -o size=64k tmpfs ${state}; mkdir ${state}/sm ${state}/sm.bak; mounter prepare
      cat /dev/zero >${state}/zero || true`,
    call: {},
    hint: /^run (mounter doctor), /,
    follow: [
      doctor(/^failing +space +(\S+): is full; .*; make room there$/m),
      act((s) => s.node.run(`rm ${told(s)}/zero`)),
    ],
    after: `mounter teardown; umount -l ${state}; mounter prepare`,
  },
  {
    title: '/run is read-only',
    faults: ['failing mounts /run', 'failing space /run'],
    broken: 'mount -o remount,ro /run',
    call: {},
    hint: /^run (mounter doctor), /,
    follow: [
      doctor(/^failing +mounts +\/run: .*; run (mount -o remount,rw .* && mounter prepare); /m),
      run(),
    ],
    after: 'mount -o remount,rw /run',
  },
];

const asVersion3 = ({ faults: expected, ...row }: LockRow): HintRow => ({
  ends: { status: 32 },
  ...row,
  call: { options: 'vers=3' },
  follow: [
    act(async ({ t, call }) => {
      const root = await realpath(`${home}/rootfs`);
      const examined = await examine();
      // What the call could start of the lock services lacks the rest.
      t.deepEqual(
        faultsOf(examined).filter((line) => !line.startsWith('warning locks ')),
        expected.map((line) => line.replace('ROOT', root)),
      );
      t.like(examined.verdict, { node: 'failing', types: { nfs: 'failing', nfs4: 'ready' } });
      const target = await newTarget();
      t.is((await mountNfs(call.source, target, 'vers=4.2')).status, 0);
      await node.run(`umount ${target}`);
    }),
    ...row.follow,
  ],
  after: async () => {
    await node.run(String(row.after ?? 'true'));
    deepEqual(await faults(), []);
  },
});

followHints(
  test,
  node,
  { type: 'nfs', options: 'vers=4.2', source: '10.9.0.1:/srv/vol1', program: 'mounter mount' },
  everyNth(5, [
    ...[...sources, ...arguments_, ...options, ...exports, ...targets, ...nodes],
    ...lockServices.map(asVersion3),
  ]),
);
