import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { layoutOf } from '../../src/node/layout.ts';
import { addKubeletFlag, removeKubeletFlag } from '../../src/units/kubelet-flag.ts';
import { readMountsFrom } from '../support/guest/mountinfo.ts';
import { entriesPerVolume, home } from '../support/guest/node.ts';
import {
  daemons,
  installKubelet,
  kubeletIsReady,
  locksWork,
  mounter,
  property,
  restartKubelet,
  run,
  startServers,
  systemctl,
  theDaemon,
  volumesWork,
} from '../support/systemd/node.ts';

/** A node is set up: two commands, then kubelet. Debian's systemd is process 1. */

const prepare = 'containerized-mounter-prepare.service';

test.before(startServers);

test.serial('two commands set a node up; the second one again changes nothing', async (t) => {
  await run('/host/dist/mounter', 'install', '/host/dist/rootfs.tar.zst');
  t.is(
    await mounter('unit', '--install'),
    [
      ...['prepare', 'rpcbind', 'statd', 'notify'].map(
        (name) => `wrote /etc/systemd/system/containerized-mounter-${name}.service`,
      ),
      'enabled containerized-mounter-prepare.service',
      'enabled containerized-mounter-notify.service',
      'started containerized-mounter-prepare.service',
    ].join('\n'),
  );
  t.is(await mounter('unit', '--install'), 'installed already; nothing to do');
  t.is(await mounter('prepare'), 'prepared already; nothing to do');
});

test.serial('systemd-analyze has nothing to say against the units', async (t) => {
  await mounter(
    'unit',
    'kubelet',
    '--install',
    '--rootfs',
    '/opt/a b$c%d',
    '--',
    'kubelet',
    '--v=$HOME',
    '50%',
    '"',
  );
  const units = readdirSync('/etc/systemd/system').filter((name) => name.endsWith('.service'));
  t.is(units.length, 5);
  const { all, exitCode } = await execa(
    'systemd-analyze',
    ['verify', ...units.map((name) => `/etc/systemd/system/${name}`)],
    { all: true, reject: false },
  );
  t.is(all, '');
  t.is(exitCode, 0);
});

test.serial("systemd reads a kubelet's arguments as they were given", async (t) => {
  const execStart = await property('containerized-mounter-kubelet.service', 'ExecStart');
  t.true(
    execStart.includes(`argv[]=${home}/mounter kubelet --rootfs /opt/a b$$c%d -- kubelet --v=$$HOME 50% " ;`),
    execStart,
  );
  t.is(
    await mounter('unit', 'kubelet', '--remove'),
    'removed /etc/systemd/system/containerized-mounter-kubelet.service',
  );
});

/** Nobody sets the variable: a drop-in of ours does. */
const unset: readonly string[] = [];

/** What kubeadm's packages have kubelet read, and drop-ins; and the words that kubelet then has of them. */
const kubeletSettings: readonly (readonly [path: string, text: string, words: readonly string[]])[] = [
  ...(
    [
      ['# of kubeadm\n#KUBELET_EXTRA_ARGS=--v=9\n', unset],
      ['KUBELET_EXTRA_ARGS=\n', []],
      ['KUBELET_EXTRA_ARGS=""', []],
      ['KUBELET_EXTRA_ARGS=--v=2', ['--v=2']],
      ['# before\nKUBELET_EXTRA_ARGS=--v=2 --x=1  \n# behind\nOTHER=1\n', ['--v=2', '--x=1']],
      ['KUBELET_EXTRA_ARGS="--v=2 --x=1"\n', ['--v=2', '--x=1']],
      ["  KUBELET_EXTRA_ARGS= '--v=2 --x=1'\n", ['--v=2', '--x=1']],
      ['KUBELET_EXTRA_ARGS="--v=2" --x\n', ['--v=2--x']],
      ['KUBELET_EXTRA_ARGS="--v=2" \'--x\'\n', ['--v=2--x']],
      ['KUBELET_EXTRA_ARGS=--v=2 \\\n  --x=1\nOTHER=1\n', ['--v=2', '--x=1']],
      ['KUBELET_EXTRA_ARGS="--v=2 \\\n  --x=1"\n', ['--v=2', '--x=1']],
      ['KUBELET_EXTRA_ARGS="--v=2\n--x=1"\n', ['--v=2', '--x=1']],
      ['KUBELET_EXTRA_ARGS="--x=\\"1\\""\n', ['--x=1']],
      ['KUBELET_EXTRA_ARGS=--v=1\nKUBELET_EXTRA_ARGS="--v=2"\n', ['--v=2']],
      ['KUBELET_EXTRA_ARGS="--v=2"\r\n', ['--v=2']],
    ] as const
  ).map(([text, words]) => ['/etc/default/kubelet', text, words] as const),
  ...(
    [
      ['Environment="KUBELET_EXTRA_ARGS=--v=2 --x=1"', ['--v=2', '--x=1']],
      ['Environment=KUBELET_EXTRA_ARGS=--v=2', ['--v=2']],
      ["Environment=A=b 'KUBELET_EXTRA_ARGS=--v=2 --x=1' B=c", ['--v=2', '--x=1']],
      ['Environment=KUBELET_EXTRA_ARGS="--v=2 --x=1"', ['--v=2', '--x=1']],
      ['Environment=KUBELET_EXTRA_ARGS=', []],
    ] as const
  ).map(
    ([text, words]) =>
      ['/etc/systemd/system/kubelet.service.d/10-site.conf', `[Service]\n${text}\n`, words] as const,
  ),
];

const flag = `--experimental-mounter-path=${home}/mounter`;

test.serial('the flag comes behind what an operator gives kubelet, as systemd reads it', async (t) => {
  t.timeout(120_000);
  const layout = layoutOf(home);
  const roots = kubeletSettings.map((_, index) => `/var/tmp/kubelet-${index}`);
  writeFileSync('/var/tmp/words.sh', 'to=/run/words-$1; shift; for word; do echo "$word"; done >$to\n');
  writeFileSync(
    '/etc/systemd/system/words@.service',
    `[Service]
Type=oneshot
EnvironmentFile=-/var/tmp/kubelet-%i/etc/default/kubelet
ExecStart=/bin/sh /var/tmp/words.sh %i $KUBELET_EXTRA_ARGS
`,
  );
  for (const [index, [path, text]] of kubeletSettings.entries()) {
    const file = `${roots[index]}${path}`;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { mode: 0o640 });
    addKubeletFlag(roots[index] ?? '', layout);
    t.is(statSync(file).mode & 0o777, 0o640);
    if (!path.endsWith('.conf')) continue;
    mkdirSync(`/etc/systemd/system/words@${index}.service.d`);
    copyFileSync(file, `/etc/systemd/system/words@${index}.service.d/10-site.conf`);
  }
  await systemctl('daemon-reload');
  await systemctl('start', ...roots.map((_, index) => `words@${index}.service`));
  for (const [index, [path, text, words]] of kubeletSettings.entries()) {
    const read = readFileSync(`/run/words-${index}`, 'utf8').split('\n').slice(0, -1);
    t.deepEqual(read, [...words, ...(words === unset ? [] : [flag])], text);
    const [root = '', file] = [roots[index], `${roots[index]}${path}`];
    t.deepEqual(addKubeletFlag(root, layout), words === unset ? undefined : [], 'again: nothing');
    removeKubeletFlag(root, layout);
    if (/=KUBELET_EXTRA_ARGS=--/.test(text)) t.false(readFileSync(file, 'utf8').includes('mounter'));
    else t.is(readFileSync(file, 'utf8'), text, 'to the letter');
    rmSync(`/etc/systemd/system/words@${index}.service.d`, { recursive: true, force: true });
  }
  rmSync('/etc/systemd/system/words@.service');
});

test.serial('kubelet is given the flag, and doctor says when it has none', async (t) => {
  t.timeout(240_000);
  const program = '/opt/flagged/kubelet';
  mkdirSync(dirname(program), { recursive: true });
  copyFileSync('/bin/bash', program);
  writeFileSync(`${program}.sh`, 'sleep infinity; :\n');
  const unit = ['[Service]', 'Type=exec', 'EnvironmentFile=-/etc/default/kubelet'];
  writeFileSync(
    '/etc/systemd/system/kubelet.service',
    [...unit, `ExecStart=${program} ${program}.sh $KUBELET_EXTRA_ARGS`, ''].join('\n'),
  );
  writeFileSync('/etc/default/kubelet', 'KUBELET_EXTRA_ARGS="--experimental-mounter-path=/opt/other"\n');
  await systemctl('daemon-reload');
  const restarted = async () => {
    await systemctl('restart', 'kubelet.service');
    const pid = await property('kubelet.service', 'MainPID');
    const { stdout } = await execa(`${home}/mounter`, ['doctor'], { reject: false });
    return {
      words: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(2, -1),
      findings: stdout.split('\n').filter((line) => line.includes(` kubelet (process ${pid}): `)),
    };
  };
  t.regex((await restarted()).findings.join('\n'), /calls \/opt\/other by --experimental-mounter-path/);
  const other = await execa(`${home}/mounter`, ['unit', 'kubelet-flag', '--install'], { reject: false });
  t.is(other.exitCode, 2);
  t.regex(
    other.stderr,
    /^mounter: \/etc\/default\/kubelet: gives kubelet another mounter already: \S+\nhint: /,
  );
  writeFileSync('/etc/default/kubelet', 'KUBELET_EXTRA_ARGS="--v=2"\n');
  t.regex(
    (await restarted()).findings.join('\n'),
    /has no --experimental-mounter-path: its mounts never come to /,
  );
  t.is(
    await mounter('unit', 'kubelet-flag', '--install'),
    'added --experimental-mounter-path to KUBELET_EXTRA_ARGS in /etc/default/kubelet\nkubelet takes it from its next start on: systemctl restart kubelet',
  );
  const given = await restarted();
  t.deepEqual(given.words, ['--v=2', flag]);
  t.regex(given.findings.join('\n'), /calls the mounter/);
  t.regex(await mounter('unit', 'kubelet-flag', '--remove'), /^took --experimental-mounter-path out of /);
  rmSync('/etc/default/kubelet');
  t.regex(
    await mounter('unit', 'kubelet-flag', '--install'),
    /^wrote \S+\/kubelet\.service\.d\/00-containerized-mounter\.conf\nkubelet takes it /,
  );
  t.deepEqual((await restarted()).words, [flag]);
  t.regex(await mounter('unit', 'kubelet-flag', '--remove'), /^removed \S+00-containerized-mounter\.conf$/);
  t.false(existsSync('/etc/systemd/system/kubelet.service.d'), 'nothing is left');
  await systemctl('stop', 'kubelet.service');
});

test.serial('another unit of that name is not overwritten', async (t) => {
  await systemctl('mask', 'containerized-mounter-kubelet.service');
  const { exitCode, stderr } = await execa(
    `${home}/mounter`,
    ['unit', 'kubelet', '--install', '--', 'kubelet'],
    { reject: false },
  );
  t.is(exitCode, 2);
  t.regex(stderr, /systemctl unmask containerized-mounter-kubelet\.service/);
  await systemctl('unmask', 'containerized-mounter-kubelet.service');
});

test.serial(
  'what prepare mounts is there on the host itself: the unit has no mounts of its own',
  async (t) => {
    const isAttached = entriesPerVolume === 1;
    const pins = '/run/containerized-mounter/namespaces';
    const [mount] = await readMountsFrom(isAttached ? pins : '/var/lib/kubelet');
    t.truthy(mount);
    t.is(mount?.peerGroup !== undefined, !isAttached);
    for (const name of ['prepare', 'rpcbind', 'statd', 'notify']) {
      const unit = `containerized-mounter-${name}.service`;
      t.log((await run('systemd-analyze', 'security', '--no-pager', unit)).split('\n').at(-1));
    }
  },
);

test.serial('kubelet mounts NFSv4, NFSv3, NFSv3 by negotiation, and GlusterFS', async (t) => {
  await installKubelet();
  await systemctl('enable', '--now', 'kubelet.service');
  await kubeletIsReady();
  await volumesWork(t);
});

test.serial("no daemon is in kubelet's control group, nor in the scope of a mount", async (t) => {
  t.is(theDaemon(t, 'rpcbind')?.unit, 'containerized-mounter-rpcbind.service');
  t.is(theDaemon(t, 'rpc.statd')?.unit, 'containerized-mounter-statd.service');
  // By its unit it has no mount namespace of its own: that of the rootfs, or the host's.
  const isAttached = entriesPerVolume === 1;
  const expected = statSync(
    isAttached ? `${home}/rootfs/.mounter-namespaces/services` : '/proc/1/ns/mnt',
  ).ino;
  const gluster = daemons().filter(({ name }) => name.startsWith('gluster'));
  t.true(gluster.length > 0);
  for (const { pid, name } of daemons()) {
    const { ino } = statSync(`/proc/${pid}/ns/mnt`);
    // A volume's daemon has the one that its call has mounted in.
    if (isAttached && name.startsWith('gluster')) t.not(ino, expected);
    else t.is(ino, expected);
  }
  for (const { pid, unit } of gluster) t.is(unit, `containerized-mounter-glusterfs-${pid}.scope`);
});

for (const [what, action] of [
  ['a restart', restartKubelet],
  [
    'SIGKILL to all of it, and its restart',
    async () => {
      await systemctl('kill', '--signal=KILL', 'kubelet.service');
      await restartKubelet();
    },
  ],
] as const) {
  test.serial(`${what} of kubelet ends no daemon and unmounts nothing`, async (t) => {
    const before = daemons();
    const mounts = await readMountsFrom('/');
    await action();
    t.deepEqual(daemons(), before);
    t.deepEqual(await readMountsFrom('/'), mounts);
    await volumesWork(t);
  });
}

for (const name of ['rpcbind', 'rpc.statd'] as const) {
  test.serial(`${name} killed: systemd starts it again, and locks work without a mount`, async (t) => {
    const before = theDaemon(t, name);
    process.kill(before?.pid ?? 0, 'SIGKILL');
    for (let i = 0; i < 200 && !(await isAnswering()); i += 1) await setTimeout(100);
    t.not(theDaemon(t, name)?.pid, before?.pid);
    t.is(theDaemon(t, 'rpcbind')?.unit, 'containerized-mounter-rpcbind.service');
    t.is(theDaemon(t, 'rpc.statd')?.unit, 'containerized-mounter-statd.service');
    await locksWork(t);
  });
}

/** After the second of RestartSec=. */
async function isAnswering(): Promise<boolean> {
  await setTimeout(500);
  const call = ['exec', '--', 'rpcinfo', '-u', '127.0.0.1', 'status', '1'];
  return (await execa(`${home}/mounter`, call, { reject: false })).exitCode === 0;
}

test.serial('stopping the units unmounts nothing, and stops no kubelet', async (t) => {
  const mounts = await readMountsFrom('/');
  await systemctl('stop', 'containerized-mounter-prepare.service');
  t.deepEqual(await readMountsFrom('/'), mounts);
  t.is(await property('kubelet.service', 'ActiveState'), 'active');
  await volumesWork(t);
  t.is(await mounter('unit', '--install'), 'started containerized-mounter-prepare.service');
  t.deepEqual(await readMountsFrom('/'), mounts);
});

test.serial('units for an image that is being built: written and enabled, nothing started', async (t) => {
  const root = '/var/tmp/image';
  mkdirSync(root);
  const done = await mounter('unit', 'prepare', '--install', '--root', root);
  const path = `${root}/etc/systemd/system/${prepare}`;
  t.is(done, `wrote ${path}\nenabled ${prepare}`);
  t.is(readFileSync(path, 'utf8'), readFileSync(`/etc/systemd/system/${prepare}`, 'utf8'));
  t.is(
    readlinkSync(`${root}/etc/systemd/system/kubelet.service.wants/${prepare}`),
    `/etc/systemd/system/${prepare}`,
  );
  t.is(await mounter('unit', 'prepare', '--install', '--root', root), 'installed already; nothing to do');
  t.is(await mounter('unit', '--remove', '--root', root), `removed ${path}`);
  t.is(await run('find', root, '-name', 'containerized*'), '');
});
