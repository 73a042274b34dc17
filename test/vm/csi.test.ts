import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { type GuestDriver, startGuestDriver } from '../support/csi/guest-driver.ts';
import { type TestVolume, testVolume } from '../support/csi/requests.ts';
import { takeLock } from '../support/guest/lock.ts';
import { entriesOf, home } from '../support/guest/node.ts';
import { rpcProcesses } from '../support/guest/rpc.ts';
import { vmNode } from '../support/guest/vm-node.ts';

/** The CSI driver with real NFS: what becomes of a volume whose server is silent, or knows it no more. */

const { server, otherServer } = vmNode(test);

let driver: GuestDriver;
/** What a usual call takes, twice: each limit is so much later in this guest, whose CPU is emulated. */
let moreMs = 0;

test.serial.before(async () => {
  driver = await startGuestDriver();
  const volume = await newVolume(server, ['vers=4.2']);
  const usual = [
    await mustCall('StageVolume', volume.staged),
    await mustCall('PublishVolume', volume.published(1)),
    await mustCall('UnpublishVolume', volume.unpublished(1)),
    await mustCall('UnstageVolume', volume.unstaged),
  ];
  moreMs = 2 * Math.max(...usual);
});
test.serial.after.always(() => driver?.kill('SIGTERM'));

let volumes = 0;

async function newVolume(
  host: { readonly address: string },
  options: readonly string[],
  attributes: object = {},
): Promise<TestVolume> {
  volumes += 1;
  const volume = testVolume(
    `nfs-${volumes}`,
    { server: host.address, share: '/srv/vol1', ...attributes },
    options,
  );
  for (const directory of volume.directories(3)) await mkdir(directory, { recursive: true });
  return volume;
}

const mustCall = async (method: string, request: object): Promise<number> => {
  const { code, message, ms } = await driver.call(method, request);
  if (code !== 'OK') throw new Error(`${method}: ${code} ${message}`);
  return ms;
};

for (const [version, daemons] of [
  ['3', ['rpc.statd', 'rpcbind']],
  ['4.2', []],
] as const) {
  test.serial(`v${version}: staged once, seen by two Pods, locked, and taken away`, async (t) => {
    const volume = await newVolume(server, [`vers=${version}`], { subDir: 'sub' });
    await mustCall('StageVolume', volume.staged);
    await mustCall('PublishVolume', volume.published(1));
    await mustCall('PublishVolume', volume.published(2, { readonly: true }));
    await writeFile(join(volume.target(1), 'by-csi'), version);
    t.is(await readFile(join(server.directory, 'vol1/sub/by-csi'), 'utf8'), version);
    t.is(await readFile(join(volume.target(2), 'by-csi'), 'utf8'), version);
    await t.throwsAsync(writeFile(join(volume.target(2), 'by-csi'), ''), { code: 'EROFS' });
    t.like(await takeLock(join(volume.target(1), 'by-csi')), { locked: true });
    t.deepEqual((await rpcProcesses()).map(({ name }) => name).sort(), daemons);
    for (const pod of [1, 2]) await mustCall('UnpublishVolume', volume.unpublished(pod));
    await mustCall('UnstageVolume', volume.unstaged);
    t.deepEqual(await entriesOf(volume.staging), []);
  });
}

test.serial(
  'of several volumes of one export, none is taken for another, which kubelet would not unstage',
  async (t) => {
    for (const version of ['3', '4.2']) {
      const both = [
        await newVolume(server, [`vers=${version}`]),
        await newVolume(server, [`vers=${version}`], { subDir: 'sub' }),
      ];
      for (const { staged } of both) await mustCall('StageVolume', staged);
      const entries = (await Promise.all(both.map(({ staging }) => entriesOf(staging)))).flat();
      t.is(entries.length, 2);
      // As k8s.io/mount-utils SearchMountPoints has it.
      t.is(new Set(entries.map(({ device, root }) => `${device} ${root}`)).size, 2, version);
      for (const { unstaged } of both) await mustCall('UnstageVolume', unstaged);
    }
  },
);

test.serial(
  'inline, where a rule allows that: as its Pod asks, but without setuid programs and devices',
  async (t) => {
    const rule = { server: server.address, path: '/srv/vol1', namespaces: ['team-a'], inline: true };
    await writeFile(`${home}/node-settings.json`, JSON.stringify({ policy: { sources: [rule] } }));
    t.teardown(() => rm(`${home}/node-settings.json`));
    for (const vers of ['3', '4.2']) {
      const volume = await newVolume(server, [], { mountOptions: `suid,dev,vers=${vers}` });
      for (const _ of [1, 2]) await mustCall('PublishVolume', volume.inlineIn('team-a', 1));
      await mustCall('PublishVolume', volume.inlineIn('team-a', 2, { readonly: true }));
      const flags = await Promise.all([1, 2].map((pod) => entriesOf(volume.target(pod))));
      t.deepEqual(
        flags.map((entries) => entries.map(({ mountOptions }) => mountOptions.slice(0, 3).join())),
        [['rw,nosuid,nodev'], ['ro,nosuid,nodev']],
        vers,
      );
      await writeFile(join(volume.target(1), 'inline'), vers);
      t.is(await readFile(join(volume.target(2), 'inline'), 'utf8'), vers);
      const refused = await driver.call('PublishVolume', volume.inlineIn('team-b', 3));
      t.is(refused.code, 'INVALID_ARGUMENT', refused.message);
      for (const pod of [1, 2, 1]) await mustCall('UnpublishVolume', volume.unpublished(pod));
      for (const pod of [1, 2, 3]) t.false(existsSync(volume.target(pod)));
    }
  },
);

test.serial('what a Pod has written is at the server when its volume is unstaged', async (t) => {
  const volume = await newVolume(server, ['vers=4.2']);
  await mustCall('StageVolume', volume.staged);
  await mustCall('PublishVolume', volume.published(1));
  const bytes = 'x'.repeat(8 * 1024 * 1024);
  await writeFile(join(volume.target(1), 'written'), bytes);
  await mustCall('UnpublishVolume', volume.unpublished(1));
  await mustCall('UnstageVolume', volume.unstaged);
  t.is((await readFile(join(server.directory, 'vol1/written'), 'utf8')).length, bytes.length);
  await rm(join(server.directory, 'vol1/written'));
});

test.serial('a silent server: told in time, others not held up, and everything comes back', async (t) => {
  const dead = await newVolume(otherServer, ['vers=4.2', 'hard']);
  const alive = await newVolume(server, ['vers=4.2']);
  for (const volume of [dead, alive]) {
    await mustCall('StageVolume', volume.staged);
    await mustCall('PublishVolume', volume.published(1));
  }
  await otherServer.dropPackets();
  // A container that waits for it.
  const waiting = execa(
    'dd',
    ['if=/dev/zero', `of=${dead.target(1)}/waits`, 'bs=1k', 'count=1', 'conv=fsync'],
    { reject: false },
  );
  const { answer, ms } = await driver.call('GetVolumeStats', { volumeId: 'x', volumePath: dead.target(1) });
  t.true(ms < 2000 + moreMs, `${ms} ms`);
  t.like(answer.volumeCondition, { abnormal: true });
  t.regex(answer.volumeCondition.message, /^no answer/);

  const another = await newVolume(otherServer, ['vers=4.2', 'hard'], { share: '/srv/vol2' });
  const staging = driver.call('StageVolume', another.staged);
  const healthy = [];
  for (const pod of [2, 3]) {
    healthy.push(await mustCall('PublishVolume', alive.published(pod)));
    healthy.push(await mustCall('UnpublishVolume', alive.unpublished(pod)));
  }
  t.true(Math.max(...healthy) < 2000 + moreMs, `${healthy} ms`);

  const unpublished = await mustCall('UnpublishVolume', dead.unpublished(1));
  t.true(unpublished < 10_000 + moreMs, `${unpublished} ms`);
  const unstaged = await mustCall('UnstageVolume', dead.unstaged);
  t.true(unstaged < 10_000 + moreMs, `${unstaged} ms`);
  t.deepEqual(await entriesOf(dead.staging), []);
  t.false(existsSync(dead.target(1)));
  const failed = await staging;
  t.is(failed.code, 'DEADLINE_EXCEEDED');
  t.regex(failed.message, /10\.9\.5\.1/);
  t.true(failed.ms < 20_000 + moreMs, `${failed.ms} ms`);

  await otherServer.passPackets();
  waiting.kill('SIGKILL');
  await waiting;
  await mustCall('UnpublishVolume', alive.unpublished(1));
  await mustCall('UnstageVolume', alive.unstaged);
});

test.serial('stale: told, and taken away', async (t) => {
  const volume = await newVolume(server, ['vers=4.2'], { subDir: 'gone' });
  const directory = join(server.directory, 'vol1/gone');
  await mkdir(directory, { recursive: true });
  await mustCall('StageVolume', volume.staged);
  await mustCall('PublishVolume', volume.published(1));
  await rm(directory, { recursive: true });
  const { answer } = await driver.call('GetVolumeStats', { volumeId: 'x', volumePath: volume.target(1) });
  t.like(answer.volumeCondition, { abnormal: true, message: 'its server no longer knows what was mounted' });
  const failed = await driver.call('PublishVolume', volume.published(2));
  t.is(failed.code, 'FAILED_PRECONDITION', failed.message);
  t.true((await mustCall('UnpublishVolume', volume.unpublished(1))) < 10_000 + moreMs);
  t.true((await mustCall('UnstageVolume', volume.unstaged)) < 10_000 + moreMs);
  t.deepEqual(await entriesOf(volume.staging), []);
});

test.serial('killed with its control group: lock services and volumes go on', async (t) => {
  const groups = '/sys/fs/cgroup';
  const group = `${groups}/container`;
  await execa('mount', ['-t', 'cgroup2', 'cgroup2', groups]);
  try {
    await mkdir(group);
    await driver.kill('SIGTERM');
    driver = await startGuestDriver(['sh', '-c', `echo $$ >${group}/cgroup.procs; exec "$@"`, 'sh']);
    const volume = await newVolume(server, ['vers=3']);
    await mustCall('StageVolume', volume.staged);
    await mustCall('PublishVolume', volume.published(1));
    const services = await rpcProcesses();
    t.deepEqual(services.map(({ name }) => name).sort(), ['rpc.statd', 'rpcbind']);
    // As a runtime does.
    await writeFile(`${group}/cgroup.kill`, '1');
    await driver.kill('SIGKILL');
    t.deepEqual(await rpcProcesses(), services);
    await writeFile(join(volume.target(1), 'locked'), '');
    t.like(await takeLock(join(volume.target(1), 'locked')), { locked: true });
    driver = await startGuestDriver();
    await mustCall('UnpublishVolume', volume.unpublished(1));
    await mustCall('UnstageVolume', volume.unstaged);
  } finally {
    await execa('umount', ['--lazy', groups]);
  }
});

test.serial('the driver is killed: the volumes go on, and the next one takes over', async (t) => {
  const volume = await newVolume(server, ['vers=4.2']);
  await mustCall('StageVolume', volume.staged);
  await mustCall('PublishVolume', volume.published(1));
  await driver.kill('SIGKILL');
  await writeFile(join(volume.target(1), 'while-it-is-gone'), 'goes on');
  t.is(await readFile(join(server.directory, 'vol1/while-it-is-gone'), 'utf8'), 'goes on');
  driver = await startGuestDriver();
  await mustCall('StageVolume', volume.staged);
  await mustCall('PublishVolume', volume.published(1));
  await mustCall('UnpublishVolume', volume.unpublished(1));
  await mustCall('UnstageVolume', volume.unstaged);
  t.deepEqual(await entriesOf(volume.staging), []);
});
