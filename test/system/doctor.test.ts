import { existsSync, readlinkSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { type GlusterServer, startGlusterServer } from '../support/gluster/gluster-server.ts';
import { everyNth } from '../support/long-run.ts';
import { enterModes } from '../support/node/enter-mode.ts';
import { askedUnless, complaints, type Examined } from '../support/node/examination.ts';
import { examineIn } from '../support/node/examine.ts';
import { wholeKernel } from '../support/node/kernel.ts';
import {
  kubeletDirectory,
  mounter,
  mounterHome,
  type NodeRequest,
  ScratchNode,
} from '../support/node/namespace.ts';
import { makeSbinWritable } from '../support/node/writable-sbin.ts';
import { programIn } from '../support/programs/test-program.ts';

const rootfs = `${mounterHome}/rootfs`;

/** Its name server is there for all that matters here: none. */
const setUp = `${wholeKernel}; sed -i 's/^nameserver/# &/' ${rootfs}/etc/resolv.conf`;
const noNameServer = 'warning resolver';

/** This machine's kernel may have no NFS; a node for GlusterFS alone needs none. */
async function glusterfsNode(request?: NodeRequest): Promise<ScratchNode> {
  const node = await ScratchNode.prepared(request);
  await setManifest(node, ({ filesystems, ...manifest }) => ({
    ...manifest,
    filesystems: { glusterfs: (filesystems as Record<string, unknown>).glusterfs },
  }));
  await node.shell(setUp);
  return node;
}

type Json = Readonly<Record<string, unknown>>;

async function setManifest(node: ScratchNode, change: (manifest: Json) => Json): Promise<void> {
  const path = `${mounterHome}/rootfs-manifest.json`;
  writeFileSync(node.path(path), JSON.stringify(change(JSON.parse(node.read(path)))));
}

/** All that is not ok, less the name server. */
function faultsOf(examined: Examined): readonly string[] {
  return complaints(examined).filter((line) => !line.startsWith(noNameServer));
}

async function faults(node: ScratchNode): Promise<readonly string[]> {
  return faultsOf(await examineIn(node));
}

test.serial('a terminal has each finding in lines that fit it, a pipe in one', async (t) => {
  await using node = await glusterfsNode();
  const lines = (text: string) => text.trimEnd().split(/\r?\n/);
  const inTerminal = `script --quiet --return --command 'stty cols 60; ${mounter} doctor' /dev/null`;
  const terminal = lines(await node.shell(`${inTerminal} </dev/null || true`));
  // A path has no blank where it could be broken.
  t.deepEqual(
    terminal.slice(0, -1).filter((line) => line.length > 60 && !/ {2}\S+$/.test(line)),
    [],
  );
  const piped = lines((await node.mounter('doctor')).stdout);
  t.true(piped.some((line) => line.length > 60));
  t.true(terminal.length > piped.length);
});

test.serial(
  'a healthy node: status 0, a line each, in the time of a few calls that do next to nothing',
  async (t) => {
    await using node = await glusterfsNode();
    const first = await examineIn(node);
    t.is(first.status, 0, complaints(first).join('\n'));
    t.true(first.wouldMount);
    t.deepEqual(faultsOf(first), []);
    // In turns, for other suites may have the CPUs at one time or another. It is 6 to 8 of them where nothing else runs.
    const measure = async () => {
      const [whole, least]: [number[], number[]] = [[], []];
      while (whole.length < 5) {
        whole.push((await examineIn(node)).milliseconds);
        const begun = performance.now();
        await node.mounter('versions');
        least.push(Math.round(performance.now() - begun));
      }
      const told = `${whole.join(', ')} ms; versions: ${least.join(', ')} ms`;
      return { ratio: Math.min(...whole) / Math.min(...least), told };
    };
    const { ratio, told } = await askedUnless((measured) => measured.ratio >= 15, measure, 2);
    t.true(ratio < 15, told);
    t.log(told);
    const { stdout, stderr } = await node.mounter('doctor');
    t.is(stderr, '');
    t.is(stdout.trimEnd().split('\n').length, first.findings.length + 1);
    t.regex(stdout, /^ok +manifest +\S+rootfs-manifest\.json: is valid\n/);
    t.notRegex(stdout, /^ok .* would fail/m);
    t.regex(stdout, /\nmounts would work: 0 failing, 1 to be seen to, \d+ ok\n$/);
  },
);

test.serial('it changes nothing, but for what it keeps of its look at the rootfs', async (t) => {
  await using node = await ScratchNode.prepared();
  const state = async () =>
    node.shell(
      `cat /proc/self/mountinfo; find ${mounterHome} /var/lib /run /var/log /etc -xdev ! -path /run/containerized-mounter ! -name good-rootfs -printf '%p %C@ %s\\n' | sort`,
    );
  const before = await state();
  await examineIn(node);
  t.is(await state(), before);
  t.deepEqual(node.processes(), []);
});

test.serial('nothing installed, not prepared, turned off, not root', async (t) => {
  await using node = await ScratchNode.start();
  const bare = await examineIn(node);
  t.is(bare.status, 1);
  t.deepEqual(complaints(bare), [`failing manifest ${mounterHome}/rootfs-manifest.json`]);
  t.regex(bare.findings[0]?.hint ?? '', /mounter install SOURCE/);
  await node.mustRun('install', '/mnt/dist/rootfs.tar.zst');
  const installed = await examineIn(node);
  t.is(installed.status, 1);
  const root = (await node.shell(`realpath ${rootfs}`)).trim();
  const ofNode = (line: string) => !/^\w+ kernel /.test(line);
  t.deepEqual(complaints(installed).filter(ofNode), [`failing mounts ${root}`]);
  t.like(
    installed.findings.find(({ check }) => check === 'mounts'),
    { message: 'is not prepared', hint: 'run mounter prepare' },
  );
  t.false(existsSync(node.path(`${rootfs}/dev/null`)), 'trying the helpers made no files');
  await node.mustRun('prepare');
  t.deepEqual((await faults(node)).filter(ofNode), []);
  await setManifest(node, (manifest) => ({ ...manifest, enabled: false }));
  const off = await examineIn(node);
  t.like(off, { status: 0, isEnabled: false, wouldMount: false });
  t.deepEqual(
    off.findings.map(({ level, check }) => `${level} ${check}`),
    ['warning off', 'ok volumes', 'ok orphans'],
  );
  const { stdout } = await node.mounter('doctor');
  t.regex(stdout, /^warning +off +mounter: turned off by "enabled": false in \S+\/rootfs-manifest\.json: /);
  t.regex(stdout, /; where that is not meant, take that line out, then run mounter prepare\n/);
  t.regex(stdout, /\nturned off: 0 failing, 1 to be seen to, 2 ok\n$/);
  await node.mustRun('teardown');
  t.regex((await node.mounter('doctor', '--repair')).stderr, /; nothing done\n$/);
  t.deepEqual(complaints(await examineIn(node)), ['warning off mounter']);
  const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  const other = await node.run([...asNobody, mounter, 'doctor']);
  t.is(other.status, 1);
  t.regex(other.stdout, /^failing +root +.*; run it as root\n/);
});

for (const [from, to] of [
  ['attach', 'chroot'],
  ['chroot', 'attach'],
] as const) {
  test.serial(
    `${to} in a manifest on a node that is prepared for ${from}: mounts work by ${from} until the next prepare`,
    async (t) => {
      await using node = await glusterfsNode({ enter: from });
      t.deepEqual(await faults(node), []);
      await node.setEnter(to);
      const root = (await node.shell(`realpath ${rootfs}`)).trim();
      t.deepEqual(await faults(node), [`warning mounts ${root}`]);
      const examined = await examineIn(node);
      t.like(examined, { status: 0, wouldMount: true });
      const finding = examined.findings.find(({ level, check }) => level === 'warning' && check === 'mounts');
      t.is(finding?.message, `mounts are made by "enter": "${from}" still; the settings have "${to}"`);
      t.regex(finding?.hint ?? '', /^run mounter prepare, /);
      const status = await node.mounter('status');
      t.is(status.status, 0);
      t.regex(status.stdout, /^prepared +yes\n +by "enter": "\w+"; mounter prepare changes it to "\w+"\n/m);
      t.notRegex(status.stdout, /missing|wrong/);
      await node.mustRun('prepare');
      t.deepEqual(await faults(node), []);
      t.regex((await node.mounter('status')).stdout, /^prepared +yes\n\w/m);
    },
  );
}

test.serial('a helper of mount(8) that is a link to the mounter fails where that is off', async (t) => {
  await using node = await glusterfsNode();
  await makeSbinWritable(node);
  await node.mustRun('install', '--helpers');
  await setManifest(node, (manifest) => ({ ...manifest, enabled: false }));
  const { status, findings, verdict } = await examineIn(node);
  t.is(status, 1);
  t.is(verdict.node, 'failing');
  const failing = findings.filter(({ level }) => level === 'failing');
  t.true(failing.some(({ subject }) => subject === '/sbin/mount.glusterfs'));
  for (const { check, hint } of failing)
    t.deepEqual([check, hint], ['helpers', 'run mounter install --remove-helpers']);
  await node.mustRun('install', '--remove-helpers');
  t.is((await examineIn(node)).status, 0);
});

const reinstall = `${mounter} install /mnt/dist/rootfs.tar.zst`;
const state = '/var/lib/containerized-mounter/nfs';

/** What breaks, how it shows, and what mends it; null for a second run of the same mend. */
const breakages: readonly (readonly [
  title: string,
  script: string,
  expected: readonly string[],
  mend: string,
  request?: NodeRequest,
])[] = [
  ['netconfig missing', `rm ${rootfs}/etc/netconfig`, ['failing rootfs ROOT'], reinstall],
  [
    'a library of a helper missing',
    `rm $(realpath ${rootfs})/usr/lib/x86_64-linux-gnu/libtirpc.so.3*`,
    [
      'failing rootfs ROOT',
      ...['/sbin/mount.nfs', '/sbin/mount.nfs4', '/sbin/rpcbind', '/sbin/rpc.statd'].map(
        (path) => `failing helpers ${path}`,
      ),
      'warning helpers /sbin/rpc.gssd',
      ...['/usr/sbin/rpcinfo', '/usr/sbin/glusterfs'].map((path) => `failing helpers ${path}`),
    ],
    reinstall,
  ],
  ['a helper missing', `rm ${rootfs}/sbin/mount.nfs4`, ['failing rootfs ROOT'], reinstall],
  [
    '/run read-only',
    'mount -o remount,ro /run',
    ['failing mounts /run', 'failing space /run'],
    `mount -o remount,rw /run; ${mounter} prepare`,
  ],
  [
    '/run full',
    'mount -o remount,size=1m /run; cat /dev/zero >/run/zero || true',
    ['warning space /run'],
    'rm /run/zero; mount -o remount,size=64m /run',
  ],
  ['the NFS state missing', `rm -r ${state}`, [`failing mounts ${state}`], `${mounter} prepare`],
  [
    'the NFS state incomplete',
    `rm -r ${state}/sm`,
    [`failing nfs-state ${state}`],
    `rm -r ${state}; ${mounter} prepare`,
  ],
  [
    'the disk of the NFS state full',
    'mount -o remount,size=1m /var/lib; cat /dev/zero >/var/lib/zero || true',
    [`failing space ${state}`],
    'rm /var/lib/zero; mount -o remount,size=64m /var/lib',
  ],
  [
    'the disk of the logs read-only',
    'mount -o remount,ro /var/log',
    [
      'failing mounts /var/log/containerized-mounter/glusterfs',
      'failing space /var/log/containerized-mounter/glusterfs',
      'warning space /var/log/containerized-mounter',
    ],
    `mount -o remount,rw /var/log; ${mounter} prepare`,
    // In the other way a daemon has a log of its own then.
    { enter: 'chroot' },
  ],
  [
    'the kubelet directory writable by others',
    `chown 7:7 ${kubeletDirectory}; chmod 777 ${kubeletDirectory}`,
    [`failing targets ${kubeletDirectory}`],
    `chown root:root ${kubeletDirectory} && chmod go-w ${kubeletDirectory}`,
  ],
  [
    'the guard of GlusterFS gone',
    `rm ${rootfs}/.mounter-glusterfs`,
    ['failing guard ROOT'],
    `${mounter} prepare`,
  ],
  [
    'the kubelet directory private',
    `mount --make-private ${kubeletDirectory}`,
    [`failing mounts ${kubeletDirectory}`, `failing propagation ${kubeletDirectory}`],
    `${mounter} prepare`,
    // The other way shares nothing with the host.
    { enter: 'chroot' },
  ],
  [
    'the devices gone from the rootfs',
    `umount ${rootfs}/dev`,
    ['failing devices /dev/fuse', 'failing mounts /dev'],
    `${mounter} prepare`,
    // In a mount namespace of its own nobody unmounts it by accident.
    { enter: 'chroot' },
  ],
  [
    "resolv.conf a symlink to the host's",
    `ln -sf /etc/resolv.conf ${rootfs}/etc/resolv.conf`,
    ['failing resolver ROOT/etc/resolv.conf'],
    `${mounter} prepare; ${setUp}`,
  ],
  [
    'a keytab that others than root can read, and a directory of tickets that anybody can fill',
    "touch /etc/krb5.keytab; chmod 644 /etc/krb5.keytab; mkdir -m 1777 /run/containerized-mounter-krb5; printf 'nodev\\trpcsec_gss_krb5\\n' >>/tmp/filesystems",
    ['warning security /etc/krb5.keytab', 'warning security /run/containerized-mounter-krb5'],
    'chown root /etc/krb5.keytab && chmod 600 /etc/krb5.keytab; chmod 755 /run/containerized-mounter-krb5',
  ],
  [
    'a keytab that the settings name, and that is not there',
    `echo '{"security":{"krb5":{"keytab":"/etc/node.keytab"}}}' >${mounterHome}/node-settings.json; ${mounter} prepare; ${setUp}; printf 'nodev\\trpcsec_gss_krb5\\n' >>/tmp/filesystems`,
    ['warning security /etc/node.keytab'],
    'install -D -m 600 /dev/null /etc/node.keytab',
  ],
  [
    "resolv.conf a bind of the host's",
    `mount --bind /etc/resolv.conf ${rootfs}/etc/resolv.conf`,
    ['failing resolver ROOT/etc/resolv.conf'],
    `umount ${rootfs}/etc/resolv.conf`,
  ],
];

for (const [title, script, expected, mend, request] of everyNth(3, breakages)) {
  test.serial(`${title}: found, and mended by what the hint says`, async (t) => {
    await using node = await ScratchNode.prepared(request);
    await node.shell(`${setUp}; ${script}`);
    const root = readlinkSync(node.path(rootfs)).replace(/^(?!\/)/, `${mounterHome}/`);
    const found = await examineIn(node);
    t.deepEqual(
      faultsOf(found),
      expected.map((line) => line.replace('ROOT', root)),
    );
    t.is(found.status, expected.some((line) => line.startsWith('failing')) ? 1 : 0);
    await node.shell(mend);
    t.deepEqual(await faults(node), []);
  });
}

test.serial("copies of the node's files: one that was edited, one that others can change", async (t) => {
  await using node = await ScratchNode.prepared();
  const found = async () =>
    (await examineIn(node)).findings.flatMap(({ check, subject, message }) =>
      check === 'resolver' && /this node's|is not copied/.test(message)
        ? [subject.replace(/.*[0-9a-f]{64}/, '')]
        : [],
    );
  t.deepEqual(await found(), []);
  await node.shell(`echo 192.0.2.7 edited >>${rootfs}/etc/hosts`);
  t.deepEqual(await found(), ['/etc/hosts']);
  await node.mustRun('prepare');
  t.deepEqual(await found(), []);
  await node.shell('echo 192.0.2.8 new >>/etc/hosts; touch /etc/nfs.conf; chmod 666 /etc/nfs.conf');
  t.deepEqual(await found(), ['/etc/hosts', '/etc']);
  await node.shell('rm /etc/nfs.conf');
  await node.mustRun('prepare');
  t.regex(await node.mustRun('exec', '--', 'getent', 'hosts', 'new'), /^192\.0\.2\.8/);
});

test.serial('an executable gone: found by the one that was downloaded, and mended by it', async (t) => {
  await using node = await ScratchNode.prepared();
  await node.shell(setUp);
  for (const [name, complaint] of [
    ['mounter', 'failing'],
    ['mounter-full', 'warning'],
  ] as const) {
    await node.shell(`rm ${mounterHome}/${name}`);
    const { stdout } = await node.run([mounter, 'doctor', '--json']);
    const found = (JSON.parse(stdout) as Examined).findings.find(({ check }) => check === 'executable');
    t.like(found, { level: complaint, subject: `${mounterHome}/${name}` });
    t.regex(found?.hint ?? '', /mounter install SOURCE/);
    await node.shell(`${mounter} install /mnt/dist/rootfs.tar.zst`);
    t.deepEqual(await faults(node), []);
  }
});

test.serial(
  'rpcbind and rpc.statd: whose they are, dead, deaf, and port 111 open to the world',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const start = ['exec', '--', '/usr/sbin/start-statd'] as const;
    const open = 'warning locks port 111';
    await node.shell(setUp);
    await node.mustRun(...start);
    t.deepEqual(await faults(node), [open]);
    const { findings } = await examineIn(node);
    t.regex(
      findings.find(({ check }) => check === 'locks')?.message ?? '',
      /^registered, and answers: .*rootfs$/,
    );
    for (const [victim, signal, expected] of [
      ['rpc.statd', 'KILL', ['warning locks rpc.statd', open]],
      ['rpc.statd', 'STOP', ['warning locks rpc.statd', open]],
      ['rpcbind', 'KILL', ['warning locks rpcbind']],
    ] as const) {
      const pids = node.processesOf(victim).map(({ pid }) => pid);
      await node.shell(`kill -${signal} ${pids.join(' ')}`);
      if (signal === 'KILL') while (node.processesOf(victim).length > 0);
      t.deepEqual(await faults(node), expected, `${victim} ${signal}`);
      await node.mustRun(...start);
      t.deepEqual(await faults(node), [open]);
    }
  },
);

test.serial(
  'lock services that do not start: what the hint of the failure says tells why, and mends it',
  async (t) => {
    await using node = await ScratchNode.prepared();
    await node.shell(`${setUp}; mkdir -p ${kubeletDirectory}/pods/v
    program=$(realpath ${rootfs})/usr/sbin/rpcbind; mv $program $program.real
    printf '#!/bin/sh\\necho out of luck >&2; exit 1\\n' >$program; chmod 755 $program`);
    const words = ['mount', '-t', 'nfs', '-o', 'vers=3', '192.0.2.1:/x', `${kubeletDirectory}/pods/v`];
    const { status, stderr } = await node.mounter(...words);
    t.is(status, 32);
    const commands = [...stderr.matchAll(/(?:run|then) mounter ([a-z]+(?: -- \S+)?),/g)].map(
      ([, words = '']) => words,
    );
    t.deepEqual(commands, ['doctor', 'exec -- /usr/sbin/start-statd']);
    const told = async () =>
      (await examineIn(node)).findings.find(({ check }) => check === 'locks')?.message ?? '';
    t.regex(await told(), /mounter exec -- \/usr\/sbin\/start-statd does, or says why not$/);
    const start = () => node.mounter('exec', '--', '/usr/sbin/start-statd');
    t.like(await start(), { status: 1, stderr: 'out of luck\nstart-statd: rpcbind does not start\n' });
    await node.shell(`program=$(realpath ${rootfs})/usr/sbin/rpcbind; mv $program.real $program`);
    t.is((await start()).status, 0);
    t.regex(await told(), /^registered, and answers: /);
  },
);

for (const enter of enterModes) {
  test.serial(
    `${enter}, duplicates: what the original mounter left, a volume mounted twice; --repair`,
    async (t) => {
      await using node = await glusterfsNode({ enter });
      const shared = node.entriesOf(kubeletDirectory).length;
      const volume = await node.mountGlusterfs('vol');
      await node.shell(`mkdir -p ${rootfs}${kubeletDirectory}
        mount --rbind ${kubeletDirectory} ${rootfs}${kubeletDirectory}
        mount --bind ${volume} ${volume} 2>/dev/null || true`);
      const found = await faults(node);
      // Where the rootfs shares nothing with the host, the second view that is to be there is not.
      const subject = enter === 'attach' ? volume : kubeletDirectory;
      t.true(found.includes(`warning duplicates ${subject}`), found.join('\n'));
      t.true(node.entriesOf(volume).length > node.entriesPerVolume);
      const repaired = await examineIn(node, '--repair');
      t.deepEqual(
        complaints(repaired).filter((line) => /duplicates|mounts|propagation/.test(line)),
        [],
      );
      t.is(node.entriesOf(volume).length, node.entriesPerVolume);
      t.is(node.entriesOf(kubeletDirectory).length, shared);
    },
  );

  test.serial(
    `${enter}: a volume of which only the upper mount is surplus keeps the lower one`,
    async (t) => {
      await using node = await glusterfsNode({ enter });
      const volume = `${kubeletDirectory}/pods/data`;
      await node.shell(`mkdir -p ${volume}; mount -t tmpfs data ${volume}; touch ${volume}/file
      mount --bind ${volume} ${volume}`);
      t.deepEqual(await faults(node), [`warning duplicates ${volume}`]);
      const { stderr } = await node.mounter('doctor', '--repair');
      t.regex(stderr, /^unmounted the second data on /);
      t.is(node.entriesOf(volume).length, node.entriesPerVolume);
      await node.shell(`test -e ${volume}/file`);
      t.deepEqual(await faults(node), []);
    },
  );
}

/** What kubelet, CSI drivers and container runtimes mount for Pods that live. */
const ofLivePods = `
  pod=${kubeletDirectory}/pods/7a5c0f4e-1111-2222-3333-444455556666
  csi=${kubeletDirectory}/plugins/kubernetes.io/csi
  volume() { mkdir -p $pod/volumes/kubernetes.io~$1 && echo $pod/volumes/kubernetes.io~$1; }
  subpath() { place=$pod/volume-subpaths/$1; mkdir -p $(dirname $place)
    if [ -d "$2" ]; then mkdir $place; else touch $place; fi; mount --bind "$2" $place; }
  mkdir -p $pod/plugins $(volume empty-dir/e)/sub /var/lib/data/sub
  echo of >$(volume empty-dir/e)/file
  subpath e/c/0 $(volume empty-dir/e)/sub
  subpath e/c/1 $(volume empty-dir/e)/file
  subpath e/c/2 $(volume empty-dir/e)
  mount -t tmpfs memory $(volume empty-dir/m); mkdir $(volume empty-dir/m)/sub
  subpath m/c/0 $(volume empty-dir/m)/sub
  mkdir $(volume configmap/m)/..1; echo of >$(volume configmap/m)/..1/file
  subpath c/c/0 $(volume configmap/m)/..1/file
  mount -t tmpfs token $(volume projected/t); echo of >$(volume projected/t)/token
  subpath t/c/0 $(volume projected/t)/token
  subpath h/c/0 /var/lib/data/sub
  mkdir -p $(volume local-volume/l); mount --bind /var/lib/data $(volume local-volume/l)
  mkdir -p $csi/volumeDevices/pv/dev $csi/driver/pv/globalmount $(volume csi/pv)/mount
  touch $csi/volumeDevices/pv/dev/uid; mount --bind /dev/null $csi/volumeDevices/pv/dev/uid
  mount -t tmpfs global $csi/driver/pv/globalmount
  mount --bind $csi/driver/pv/globalmount $(volume csi/pv)/mount
  mkdir -p /run/runtime/shm; mount --bind /run/runtime /run/runtime; mount --make-private /run/runtime
  mount -t tmpfs shm /run/runtime/shm
`;

for (const enter of enterModes) {
  test.serial(`${enter}: what is mounted for live Pods is no fault of propagation`, async (t) => {
    await using node = await glusterfsNode({ enter });
    const volume = await node.mountGlusterfs('vol');
    await node.shell(`${ofLivePods}
      mkdir -p ${kubeletDirectory}/pods/other; mount --bind ${volume} ${kubeletDirectory}/pods/other`);
    t.deepEqual(await faults(node), [`warning volumes ${volume}`]);
    await node.mustRun('prepare');
    t.deepEqual(await faults(node), [`warning volumes ${volume}`]);
  });
}

test.serial(
  "a kubelet that began before there was a rootfs has not written the cluster's name servers",
  async (t) => {
    await using node = await ScratchNode.prepared();
    const path = `${mounterHome}/rootfs/etc/resolv.conf`;
    const found = async () =>
      (await examineIn(node)).findings.filter(({ message }) =>
        message.includes('began before there was a rootfs'),
      );
    const start = async (flag: string) =>
      (
        await node.shell(
          `[ -e /tmp/kubelet ] || cp $(command -v sh) /tmp/kubelet; /tmp/kubelet -c 'sleep 1000; :' ${flag} >/dev/null 2>&1 & echo $!`,
        )
      ).trim();
    await start('--experimental-mounter-path=/elsewhere/mounter');
    t.deepEqual(await found(), []);
    const pid = await start(`--experimental-mounter-path ${mounterHome}/mounter`);
    const [finding] = await found();
    t.is(finding?.level, 'warning');
    t.true(finding?.message.includes(`kubelet (process ${pid})`), finding?.message);
    const text = node.read(path);
    await node.shell(`echo 'nameserver 127.0.0.1' >${path}`);
    t.deepEqual(await found(), [], 'it has written');
    t.not(node.read(path), text);
  },
);

test.serial(
  'two hundred processes that are called kubelet: no program is run for each of them',
  async (t) => {
    await using node = await ScratchNode.prepared();
    await node.shell(`cp $(command -v sleep) /tmp/kubelet
    for i in $(seq 200); do /tmp/kubelet 1000 >/dev/null 2>&1 & done
    strace -f -qq -e trace=execve -e signal=none -o /tmp/trace ${mounterHome}/mounter doctor >/dev/null || true`);
    const asked = node.read('/tmp/trace').match(/execve\("[^"]*\/cat", /g) ?? [];
    t.true(asked.length > 0 && asked.length <= 8, `${asked.length} programs`);
  },
);

test.serial('a kubelet whose unit gives it a mount namespace of its own', async (t) => {
  await using node = await glusterfsNode();
  for (const [propagation, level] of [
    ['slave', 'warning'],
    ['unchanged', 'ok'],
  ] as const) {
    const start = `unshare --mount --propagation=${propagation} /tmp/kubelet 1000 >/dev/null 2>&1 & echo $!`;
    const pid = (await node.shell(`cp $(command -v sleep) /tmp/kubelet; ${start}`)).trim();
    await node.shell(`until grep -q kubelet /proc/${pid}/comm; do sleep 0.01; done`);
    const { findings } = await examineIn(node);
    const found = findings.filter(({ check }) => check === 'kubelet');
    t.deepEqual(
      found.map((finding) => [finding.level, finding.subject]),
      [
        [level, `kubelet (process ${pid})`],
        ['warning', `kubelet (process ${pid})`],
      ],
    );
    await node.shell(`kill ${pid}`);
  }
});

test.serial('a volume of a Pod that is gone', async (t) => {
  await using node = await glusterfsNode();
  const uid = '7a5c0f4e-1111-2222-3333-444455556666';
  const volume = await node.mountGlusterfs(`${uid}/volumes/kubernetes.io~glusterfs/v`);
  const dead = `warning volumes ${volume}`;
  t.deepEqual(await faults(node), [dead, `warning orphans ${volume}`]);
  await node.shell(`mkdir ${kubeletDirectory}/pods/${uid}/plugins`);
  t.deepEqual(await faults(node), [dead], 'kubelet has made its directory');
  // As kubelet writes it before it makes the Pod's sandbox.
  const mapping = [{ hostId: 65536, containerId: 0, length: 65536 }];
  const file = node.path(`${kubeletDirectory}/pods/${uid}/userns`);
  writeFileSync(file, JSON.stringify({ uidMappings: mapping, gidMappings: mapping }), { mode: 0o600 });
  t.deepEqual(await faults(node), [dead, `warning users ${volume}`], 'its Pod has hostUsers: false');
});

test.serial('the failures of the last hour, the last with its hint', async (t) => {
  await using node = await glusterfsNode({ enter: 'chroot' });
  const target = `${kubeletDirectory}/volume`;
  await node.shell(`mkdir ${target}; umount ${rootfs}/dev`);
  t.is((await node.mounter('mount', '-t', 'glusterfs', 'server:v', target)).status, 2);
  const failure = async () => (await examineIn(node)).findings.find(({ check }) => check === 'failures');
  t.like(await failure(), { level: 'warning', hint: 'run mounter prepare' });
  await node.mustRun('prepare');
  const finding = await failure();
  t.like(finding, {
    level: 'warning',
    hint: 'mounter prepare has run since: see whether the next mount works',
  });
  t.regex(finding?.message ?? '', /^1 within the last hour, the last at \S+Z \(.*\): \/dev\/fuse: /);
});

interface Setting extends AsyncDisposable {
  readonly server: GlusterServer;
  readonly node: ScratchNode;
  readonly targets: readonly string[];
  mount(index: number): Promise<number>;
}

/** Three volumes, mounted. */
async function setting(): Promise<Setting> {
  const volumes = ['v1', 'v2', 'v3'];
  const server = await startGlusterServer({ volumes });
  const node = await glusterfsNode({ enterNetwork: server.enter });
  const targets = volumes.map((name) => `${kubeletDirectory}/pods/${name}/volumes/volume`);
  const mount = async (index: number) => {
    const words = ['mount', '-t', 'glusterfs', '-o', 'log-level=ERROR'];
    return (await node.mounter(...words, `${server.address}:${volumes[index]}`, targets[index] ?? '')).status;
  };
  await node.shell(`mkdir -p ${targets.join(' ')}`);
  for (const index of targets.keys()) if ((await mount(index)) !== 0) throw new Error('not mounted');
  return {
    server,
    node,
    targets,
    mount,
    async [Symbol.asyncDispose]() {
      await node.dispose();
      await server.stop();
    },
  };
}

test.serial('three GlusterFS volumes: answering, stopped, killed, mounted again', async (t) => {
  await using s = await setting();
  t.deepEqual(await faults(s.node), []);
  await s.node.shell('kill -STOP $(pidof glusterfs)');
  const hung = await examineIn(s.node);
  t.is(hung.status, 0, 'other volumes can be mounted');
  t.true(hung.milliseconds < 20_000, `${hung.milliseconds} ms`);
  t.log(`${hung.milliseconds} ms`);
  const found = hung.findings.filter(({ check }) => check === 'volumes');
  t.deepEqual(
    found.map(({ level, subject }) => [level, subject]),
    s.targets.map((target) => ['warning', target]),
  );
  for (const { message } of found) t.true(message.startsWith(`hangs: ${s.server.address}`), message);
  await s.node.shell('kill -CONT $(pidof glusterfs)');
  t.deepEqual(await faults(s.node), []);
  await s.node.shell('kill -KILL $(pidof glusterfs)');
  while (s.node.processesOf('glusterfs').length > 0);
  const dead = await examineIn(s.node);
  for (const [index, target] of s.targets.entries()) {
    const finding = dead.findings.find(({ subject }) => subject === target);
    t.regex(
      finding?.message ?? '',
      /^the FUSE daemon of .* is gone, or has lost its servers \(Transport endpoint is not connected\)$/,
    );
    await s.node.shell(`umount ${target}`);
    t.is(await s.mount(index), 0);
  }
  t.deepEqual(await faults(s.node), []);
});

test.serial('three volumes whose askers even SIGKILL does not end: they are abandoned', async (t) => {
  await using node = await glusterfsNode();
  const silentFuse = await programIn(node, 'silent-fuse');
  const targets = ['a', 'b', 'c'].map((name) => `${kubeletDirectory}/pods/${name}`);
  for (const target of targets) {
    await node.shell(`mkdir -p ${target}; ${silentFuse} glusterfs server:v ${target}`);
  }
  const { status, milliseconds, findings } = await examineIn(node);
  t.is(status, 0);
  t.true(milliseconds < 20_000, `${milliseconds} ms`);
  t.deepEqual(
    findings.filter(({ check }) => check === 'volumes').map(({ subject, level }) => [level, subject]),
    targets.map((target) => ['warning', target]),
  );
  const stuck = node.processesOf('stat');
  t.is(stuck.length, 3);
  // SIGKILL has come, and they are there still.
  for (const { pid } of stuck) t.regex(node.read(`/proc/${pid}/status`), /\nShdPnd:\t0*100\n/);
});
