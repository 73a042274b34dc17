import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { everyNth } from '../support/long-run.ts';
import { kubeletDirectory, mounterHome, type NodeRequest, ScratchNode } from '../support/node/namespace.ts';
import { makeSbinWritable } from '../support/node/writable-sbin.ts';

/** The mounter is off on a node, and the host's own tools are what they were. */

const executable = `${mounterHome}/mounter`;

function setEnabled(node: ScratchNode, enabled: boolean): void {
  const path = node.path(`${mounterHome}/rootfs-manifest.json`);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), enabled }));
}

/** A mount(8) of the host's that says how it was called: nothing of the real one would show it all. */
const witness = `#!/bin/sh
echo "$0 $#"
for word; do printf '<%s>' "$word"; done; echo
env | grep -E '^(SHOWN|PATH|MOUNTER)' | sort
grep -E '^Sig(Ign|Blk)' /proc/self/status
cat
echo to-stderr >&2
exit 43
`;

async function replaceMount(node: ScratchNode): Promise<void> {
  writeFileSync(node.path('/tmp/witness'), witness, { mode: 0o755 });
  await node.shell('mount --bind /tmp/witness /usr/bin/mount');
}

test.serial(
  "a call is the host's own mount(8), with the same arguments, environment, stdio and status",
  async (t) => {
    await using node = await ScratchNode.installed();
    await replaceMount(node);
    setEnabled(node, false);
    const words = [
      '-t',
      'nfs',
      '-o',
      'a, b',
      '--unknown-to-us',
      '',
      "it's",
      'x\ny',
      '-a',
      '--help',
      '--dry-run',
    ];
    const environment = { SHOWN: 'yes', PATH: '/nowhere:/usr/bin:/bin' };
    const called = await node.run([executable, 'mount', ...words], { input: 'stdin\n', environment });
    const itself = await node.run(['/usr/bin/mount', ...words], { input: 'stdin\n', environment });
    t.deepEqual(called, itself);
    t.is(called.status, 43);
    t.is(called.stderr, 'to-stderr\n');
    t.regex(called.stdout, /^\/usr\/bin\/mount 11\n<-t><nfs><-o><a, b><--unknown-to-us><><it's><x\ny><-a>/);
    t.regex(called.stdout, /^SHOWN=yes$/m);
    t.regex(called.stdout, /^stdin$/m);
    const bytes = `${executable} mount "$(printf 'caf\\351')" </dev/null 2>/dev/null`;
    t.regex(await node.shell(`{ ${bytes} || true; } | od -An -c`), /c\s+a\s+f\s+351/, 'not UTF-8');
  },
);

test.serial('the process is replaced: a signal to it is one to mount(8)', async (t) => {
  await using node = await ScratchNode.installed();
  writeFileSync(
    node.path('/tmp/waits'),
    '#!/bin/sh\ntrap "echo got; exit 7" TERM\necho $$\nwhile :; do sleep 0.05; done\n',
    { mode: 0o755 },
  );
  await node.shell('mount --bind /tmp/waits /usr/bin/mount');
  setEnabled(node, false);
  const out = await node.shell(`${executable} mount x >/tmp/out & pid=$!
    until [ -s /tmp/out ]; do sleep 0.05; done
    kill $pid; status=0; wait $pid || status=$?; echo $pid $status; cat /tmp/out`);
  const [first = '', shown, got] = out.split('\n');
  t.is(first, `${shown} 7`, 'the same process id, the status of its trap');
  t.is(got, 'got');
});

test.serial(
  'the real mount(8) mounts what the mounter would have refused; turned on again it refuses',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const target = `${kubeletDirectory}/plain`;
    await node.shell(`mkdir ${target}`);
    const call = [executable, 'mount', '-t', 'tmpfs', 'tmpfs', target];
    t.is((await node.run(call)).status, 1);
    setEnabled(node, false);
    t.deepEqual(await node.run(call), { status: 0, stdout: '', stderr: '' });
    t.is(node.mountinfo().findLast(({ mountPoint }) => mountPoint === target)?.fstype, 'tmpfs');
    t.is((await node.run([executable, 'mount', '-t', 'tmpfs', 'tmpfs', '/none'])).status, 32);
    await node.shell(`umount ${target}`);
    setEnabled(node, true);
    t.regex((await node.run(call)).stderr, /^mounter: tmpfs: filesystem type not offered/);
  },
);

test.serial('as a helper of mount(8) it fails, names the setting, and calls nothing', async (t) => {
  await using node = await ScratchNode.prepared();
  await makeSbinWritable(node);
  await node.mustRun('install', '--helpers');
  setEnabled(node, false);
  const target = `${kubeletDirectory}/by-host`;
  await node.shell(`mkdir ${target}`);
  for (const call of [
    ['mount', '-t', 'nfs', '127.0.0.1:/x', target],
    [executable, 'mount', '-t', 'nfs', '127.0.0.1:/x', target],
    ['/sbin/mount.glusterfs', '127.0.0.1:v', target],
  ]) {
    const { status, stderr } = await node.run(['timeout', '60', ...call]);
    t.is(status, 2, call.join(' '));
    t.regex(
      stderr,
      /^mounter: mount\.(nfs|glusterfs): the mounter is turned off on this node, by "enabled": false in .*\/rootfs-manifest\.json\nhint: .*mounter disable takes mount\.\w+ away.*\n$/,
    );
  }
  await node.mustRun('disable');
  t.regex(
    (await node.run(['mount', '-t', 'nfs', '127.0.0.1:/x', target])).stderr,
    /helper program|unknown filesystem type/,
  );
});

test.serial('prepare does nothing, with status 0; status says it plainly', async (t) => {
  await using node = await ScratchNode.installed();
  setEnabled(node, false);
  const before = node.mountinfo().length;
  t.is(
    await node.mustRun('prepare'),
    `turned off by "enabled": false in ${mounterHome}/rootfs-manifest.json; nothing done\n`,
  );
  t.is(node.mountinfo().length, before);
  const { status, stdout } = await node.mounter('status');
  t.is(status, 0);
  t.regex(
    stdout,
    /^enabled +no: "enabled": false in \S+\/rootfs-manifest\.json; mounter mount is the host's own mount\(8\)\n/,
  );
  t.notRegex(stdout, /^(prepared|STATE|locks|rpcbind) /m, 'nothing of how mounts would go');
  t.false(JSON.parse(await node.mustRun('status', '--json')).isEnabled);
});

test.serial('what its shipped manifest had turned off an install turns on, and says so', async (t) => {
  await using node = await ScratchNode.installed();
  const off = JSON.stringify({
    ...JSON.parse(node.read(`${mounterHome}/rootfs-manifest.json`)),
    enabled: false,
  });
  writeFileSync(node.path('/tmp/off.json'), off);
  t.regex(
    await node.mustRun('install', '/mnt/dist/rootfs.tar.zst', '--manifest', '/tmp/off.json'),
    /^the mounter is turned off on this node, by "enabled": false in \S+\/rootfs-manifest\.json: /m,
  );
  t.regex(
    await node.mustRun('install', '/mnt/dist/rootfs.tar.zst'),
    /^the mounter was turned off on this node \("enabled": false\), and is on now$/m,
  );
  t.is((await node.mounter('status')).status, 1, 'not prepared');
});

test.serial('a mount of the host that is mounter itself is no mount(8)', async (t) => {
  await using node = await ScratchNode.installed();
  setEnabled(node, false);
  await node.shell(`mount --bind ${executable} /usr/bin/mount`);
  const { status, stderr } = await node.run([executable, 'mount', '-t', 'nfs', 'a:/b', '/c']);
  t.is(status, 2);
  t.regex(stderr, /^mounter: \/usr\/bin\/mount: is mounter itself, not a mount\(8\) of the host\nhint: /);
});

/** What breaks a node; each of them is to be off by the front alone. */
const broken: readonly (readonly [title: string, script: string, request?: NodeRequest])[] = [
  ['nothing', ':'],
  ['a manifest that is not valid', `echo '{"formatVersion"' >${mounterHome}/rootfs-manifest.json`],
  ['no manifest', `rm ${mounterHome}/rootfs-manifest.json`],
  [
    'a directory in the place of each file',
    `cd /run/containerized-mounter; rm settings; mkdir settings; cd ${mounterHome}; rm rootfs-manifest.json; mkdir rootfs-manifest.json`,
  ],
  ['no rootfs', `rm -r ${mounterHome}/rootfs ${mounterHome}/versions`],
  ['no full executable', `rm ${mounterHome}/mounter-full`],
  ['an empty full executable', `: >${mounterHome}/mounter-full`],
  ['a home that is read-only', 'mount -o remount,ro /home'],
  [
    'a home that is full',
    'dd if=/dev/zero of=/home/full bs=64k 2>/dev/null || true',
    { home: 'mode=0755,size=300m' },
  ],
  ['a node lock that is held', 'flock /run/containerized-mounter/locks/node sleep 1000 >/dev/null 2>&1 &'],
  ['no /run of ours', 'mount -o remount,ro /run'],
];
for (const [title, script, request] of everyNth(2, broken)) {
  test.serial(`mounter disable: ${title}`, async (t) => {
    await using node = await ScratchNode.prepared(request);
    await makeSbinWritable(node);
    await node.mustRun('install', '--helpers');
    await node.shell(`${script}\nmkdir -p ${kubeletDirectory}/plain`);
    const call = [executable, 'mount', '-t', 'tmpfs', 'tmpfs', `${kubeletDirectory}/plain`];
    t.not((await node.run(call)).status, 0);
    const environment = { MOUNTER_HOME: mounterHome };
    const off = await node.run(['timeout', '60', '/mnt/dist/mounter', 'disable'], { environment });
    t.is(off.status, 0, off.stderr);
    t.deepEqual(await node.run(call), { status: 0, stdout: '', stderr: '' });
    await node.shell(`umount ${kubeletDirectory}/plain`);
    t.deepEqual(
      readdirSync(node.path('/usr/sbin')).filter((name) => /^mount\.(nfs4?|glusterfs)$/.test(name)),
      [],
    );
    const again = await node.run(['/mnt/dist/mounter', 'disable'], { environment });
    t.is(again.stdout, 'turned off already; nothing to do\n');
    const seen = await node.run(['/mnt/dist/mounter', 'status'], { environment });
    t.is(seen.status, 0, seen.stderr);
    t.regex(seen.stdout, /^enabled +no: \S+\/disabled; /);
    for (const { pid } of node.processesOf('sleep')) await node.shell(`kill ${pid}`);
  });
}

test.serial(
  'an install, a roll back and a boot leave it off; enable needs a node that can be prepared',
  async (t) => {
    await using node = await ScratchNode.installed();
    await makeSbinWritable(node);
    const file = `${mounterHome}/disabled`;
    t.is(await node.mustRun('disable'), `turned off by ${file}\n`);
    t.regex(
      await node.mustRun('install', '/mnt/dist/rootfs.tar.zst', '--helpers'),
      /turned off on this node, by .*: mounter enable turns it on\n.*no helper is placed: run mounter enable, then this again\n$/,
    );
    t.false(readdirSync(node.path('/usr/sbin')).includes('mount.nfs'));
    t.is(await node.mustRun('prepare'), `turned off by ${file}; nothing done\n`);
    t.is((await node.mounter('status')).status, 0);
    t.regex(
      (await node.mounter('doctor')).stdout,
      /^warning +off +mounter: turned off by \S+\/disabled: .* run mounter enable$/m,
    );
    await node.shell('echo >/var/lib/containerized-mounter');
    t.is((await node.mounter('enable')).status, 2);
    t.is((await node.mounter('status')).status, 0, 'still off');
    await node.shell('rm /var/lib/containerized-mounter');
    setEnabled(node, false);
    t.regex(
      (await node.mounter('enable')).stderr,
      /"enabled": false turns the mounter off, whatever else is set\nhint: /,
    );
    setEnabled(node, true);
    t.regex(await node.mustRun('enable'), /\nprepared\nturned on\n$/);
    t.is(await node.mustRun('enable'), 'prepared already; nothing to do\n');
    const helpers = ['mount.nfs', 'mount.nfs4', 'mount.glusterfs'];
    const placed = () => readdirSync(node.path('/usr/sbin')).filter((name) => helpers.includes(name)).length;
    await node.mustRun('install', '--helpers');
    t.is(placed(), 3);
    await node.mustRun('disable', '--fleet');
    await node.mustRun('disable');
    t.is(placed(), 0, 'mount(8) is as it would be without us');
    t.regex(await node.mustRun('enable', '--fleet'), /^turned off by hand/);
    t.regex(await node.mustRun('enable'), /\nturned on\n(placed \S+\/mount\.\S+, a link to \S+\n){3}$/);
    t.is(placed(), 3, 'and as it was with us');
    await node.mustRun('install', '--remove-helpers');
    t.regex(
      (await node.run([executable, 'mount', '-t', 'tmpfs', 'tmpfs', '/x'])).stderr,
      /^mounter: tmpfs: filesystem type not/,
    );
  },
);

test.serial(
  'killed while helpers go or come, or two at once: the next one brings it to its end',
  async (t) => {
    await using node = await ScratchNode.prepared();
    await makeSbinWritable(node);
    await node.mustRun('install', '--helpers');
    const helpers = () =>
      readdirSync(node.path('/usr/sbin')).filter((name) => /^mount\.(nfs|gluster)/.test(name));
    const isOff = () => existsSync(node.path(`${mounterHome}/disabled`));
    const killed = async (call: string, command: string) => {
      const inject = [
        '-P',
        '/sbin/mount.nfs',
        '-P',
        '/sbin/mount.nfs.mounter-new',
        '-e',
        `inject=${call}:signal=KILL`,
      ];
      t.not(
        (await node.run(['strace', '-f', '-qq', '-o', '/dev/null', ...inject, executable, command])).status,
        0,
      );
    };
    await killed('unlink,unlinkat', 'disable');
    t.true(isOff());
    await node.mustRun('disable');
    t.deepEqual(helpers(), []);
    await killed('symlink,symlinkat', 'enable');
    t.false(isOff());
    await node.mustRun('enable');
    t.is(helpers().length, 3);
    for (let round = 0; round < 3; round += 1) {
      const both = (command: string) => `${executable} ${command} & ${executable} ${command} & wait`;
      const { stderr } = await node.run(['bash', '-c', `${both('disable')}; ${both('enable')}`]);
      t.is(stderr, '');
      t.is(helpers().length, 3);
    }
    const left = readdirSync(node.path(mounterHome)).filter((name) => name.startsWith('disabled'));
    t.deepEqual(left, []);
  },
);

test.serial(
  'who turns it off while it is being turned on has the last word; the fleet never takes back a hand',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const lasting = `${mounterHome}/disabled`;
    /** `mounter enable` waits for the lock, after it has looked and before it is done. */
    const meanwhile = (enable: string, script: string) =>
      node.shell(`flock /run/containerized-mounter/locks/node sleep 1000 >/dev/null 2>&1 & holder=$!
      while flock --nonblock /run/containerized-mounter/locks/node true; do sleep 0.05; done
      ${executable} ${enable} >/tmp/enabled & enabling=$!
      until pgrep -f '^[^ ]*flock -w ' >/dev/null; do sleep 0.05; done
      ${script} >/dev/null; kill $(pgrep -P $holder) $holder
      wait $enabling; cat /tmp/enabled`);
    for (const [before, enable] of [
      [':', 'enable --fleet'],
      [`${executable} disable --fleet`, 'enable --fleet'],
      [`${executable} disable --fleet`, 'enable'],
      [`${executable} disable`, 'enable'],
    ] as const) {
      await node.shell(`rm -f ${lasting}; ${before}`);
      t.regex(
        await meanwhile(enable, `${executable} disable`),
        /\nturned off meanwhile, by \S+\/disabled; left so\n$/,
        `${before}; ${enable}`,
      );
      t.is(node.read(lasting), 'mounter disable\n');
    }
    t.regex(await node.mustRun('enable'), /\nturned on\n$/);
    await node.shell(`mkdir ${lasting}`);
    t.is(await node.mustRun('disable', '--fleet'), 'turned off already; nothing to do\n');
    t.regex(await node.mustRun('enable'), /\nturned on\n$/);
    // The fleet's lasts, and then nothing could be written beside it.
    await node.mustRun('disable', '--fleet');
    await node.shell('mount -o remount,ro /home');
    t.regex(await node.mustRun('disable'), /^turned off by \/run\/\S+, until the next boot: /);
    await node.shell('mount -o remount,rw /home');
    t.regex(await node.mustRun('enable', '--fleet'), /^turned off by hand, in \/run\/.*; left so: /);
    t.regex(await node.mustRun('enable'), /\nturned on\n$/);
  },
);

test.serial(
  'what places helpers and takes a node back, killed or two at once, is mended by the next call',
  async (t) => {
    await using node = await ScratchNode.prepared();
    await makeSbinWritable(node);
    const mounts = node.mountinfo().length;
    const both = [
      ['install --helpers', 'teardown --keep-kubelet'],
      ['prepare', 'teardown'],
      ['install --helpers', 'install --remove-helpers'],
      ['prepare', 'disable'],
    ];
    for (const [round, [one, other]] of both.entries()) {
      const killed = (command = '') =>
        `timeout -s KILL 0.${1 + Math.floor(Math.random() * 6)} ${executable} ${command}`;
      const whole = (command = '') => `${executable} ${command}`;
      const call = round % 2 === 0 ? whole : killed;
      const { stderr } = await node.run(['bash', '-c', `${call(one)} & ${call(other)} & wait`]);
      t.is(stderr.replace(/^bash: .*Killed.*\n/gm, ''), '', `${one}, ${other}`);
      for (const command of ['enable', 'prepare']) await node.mustRun(command);
      await node.mustRun('install', '--helpers');
      t.is(node.mountinfo().length, mounts);
    }
    await node.mustRun('teardown');
    await node.mustRun('install', '--remove-helpers');
    t.deepEqual(
      node.mountinfo().filter(({ mountPoint }) => /containerized.mounter/.test(mountPoint)),
      [],
    );
    const left = readdirSync(node.path('/usr/sbin')).filter((name) => /^mount\.(nfs|gluster)/.test(name));
    t.deepEqual(left, []);
  },
);
