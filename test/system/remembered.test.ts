import { readdirSync, statSync } from 'node:fs';
import test from 'ava';
import {
  mount,
  newTarget,
  nothingLeft,
  options,
  type Setting,
  setting,
} from '../support/gluster/gluster-node.ts';
import { setLimits } from '../support/node/limits.ts';
import { mounterHome, type ScratchNode } from '../support/node/namespace.ts';

/** A server that was found unreachable, with a closed port of a real one, and what makes the node forget it. */

const directory = '/run/containerized-mounter/failures';

interface Failed {
  readonly class: string;
  readonly isRemembered: boolean;
  readonly message: string;
  readonly hint: string;
}

/** Port 9 is closed; the volume's own server is at the other end of a network of the test's. */
async function fails({ node, source }: Setting, port = 9): Promise<Failed & { readonly target: string }> {
  const target = await newTarget(node);
  const words = [
    'mount',
    '--json',
    '-t',
    'glusterfs',
    '-o',
    `${options},server-port=${port}`,
    source,
    target,
  ];
  const { stdout } = await node.run([`${mounterHome}/mounter`, ...words]);
  return { ...(JSON.parse(stdout) as Failed), target };
}

/** As long as the manifest allows: the machine may be slow. */
async function patientSetting(): Promise<Setting> {
  const s = await setting();
  setLimits(s.node, { failureCacheSeconds: 60 });
  await s.node.mustRun('prepare');
  return s;
}

const files = (node: ScratchNode) => readdirSync(node.path(directory));

test.serial('the second call fails at once, without a helper, and is on record as such', async (t) => {
  await using s = await patientSetting();
  const first = await fails(s);
  const second = await fails(s);
  t.deepEqual([first.class, first.isRemembered], ['connection-refused', false]);
  t.deepEqual([second.class, second.isRemembered], ['connection-refused', true]);
  t.regex(second.message, /refuses connections to TCP port 9 \(found [\d.]+ s ago by another call\)$/);
  t.is(second.hint, first.hint);
  nothingLeft(t, s.node, second.target);
  const lines = s.node.read('/var/log/containerized-mounter/mounter.log').trimEnd().split('\n');
  const [one, other] = lines.slice(-2).map((line) => JSON.parse(line));
  t.log(one, other);
  t.true('runHelper' in one.steps && !('isRemembered' in one));
  t.deepEqual([other.isRemembered, 'runHelper' in other.steps], [true, false]);
  const status = JSON.parse((await s.node.mounter('status', '--json')).stdout);
  t.like(status.history.lastHour, { failed: { 'connection-refused': 2 }, remembered: 1 });
  const metrics = (await s.node.mounter('status', '--metrics')).stdout;
  t.true(
    metrics.includes('mounter_remembered_failures_total{fstype="glusterfs",class="connection-refused"} 1\n'),
  );
  t.is(statSync(s.node.path(directory)).mode & 0o777, 0o700);
  t.deepEqual(files(s.node).length, 1);
  t.is(statSync(s.node.path(`${directory}/${files(s.node)[0]}`)).mode & 0o777, 0o600);
});

test.serial('another port, a success, prepare and a changed resolv.conf: asked again', async (t) => {
  await using s = await patientSetting();
  t.false((await fails(s)).isRemembered);
  t.false((await fails(s, 10)).isRemembered, 'another port');
  const target = await newTarget(s.node);
  t.is((await mount(s.node, s.source, target)).status, 0);
  t.deepEqual(files(s.node), []);
  t.false((await fails(s)).isRemembered, 'after a success');
  await s.node.mustRun('prepare');
  t.deepEqual(files(s.node), []);
  t.false((await fails(s)).isRemembered, 'after prepare');
  await s.node.shell(`echo '# changed' >>${mounterHome}/rootfs/etc/resolv.conf`);
  t.false((await fails(s)).isRemembered, 'after a change of resolv.conf');
  t.true((await fails(s)).isRemembered);
  await s.node.shell(`umount ${target}`);
  await s.node.mustRun('teardown');
  t.false(readdirSync(s.node.path('/run/containerized-mounter')).includes('failures'));
});

const spoiled: readonly (readonly [title: string, script: string])[] = [
  ['it is missing', `rmdir ${directory}`],
  ['it is a symlink to nowhere', `rmdir ${directory}; ln -s /nowhere ${directory}`],
  ['its files are directories', `for i in $(seq 0 255); do mkdir ${directory}/$(printf %02x $i); done`],
  [
    'its files are pipes that nobody writes to',
    `for i in $(seq 0 255); do mkfifo ${directory}/$(printf %02x $i) ${directory}/$(printf %02x.turn $i); done`,
  ],
  ['/run is full', 'dd if=/dev/zero of=/run/full bs=1M 2>/dev/null || true'],
];
for (const [title, script] of spoiled) {
  test.serial(`a directory that cannot be used fails no mount: ${title}`, async (t) => {
    await using s = await setting();
    await s.node.shell(`mount -o remount,size=8m /run; ${script}`);
    for (let call = 0; call < 2; call += 1) t.is((await fails(s)).class, 'connection-refused');
    const target = await newTarget(s.node);
    const { status, stderr } = await mount(s.node, s.source, target);
    t.is(status, 0, stderr);
  });
}
