import { existsSync, readFileSync } from 'node:fs';
import test from 'ava';
import { csiTotalsFile } from '../../src/record/csi-metrics.ts';
import {
  type Answered,
  type Client,
  connectClient,
  type Driver,
  startDriver,
} from '../support/csi/driver.ts';
import { killDriver } from '../support/csi/kills.ts';
import { type TestVolume, testVolume } from '../support/csi/requests.ts';
import { type GlusterServer, startGlusterServer } from '../support/gluster/gluster-server.ts';
import { rounds } from '../support/long-run.ts';
import { mounterHome, ScratchNode } from '../support/node/namespace.ts';

/** The CSI driver among kills, full disks, dead servers and a node that is taken apart: no volume is lost, none is left. */

const seed = 5;

test.serial(
  'killed at any moment of any call: the same call again ends as it should, nothing is lost or left',
  async (t) => {
    t.timeout(600_000);
    const { outcomes, written } = await killDriver(rounds(8, 16), seed);
    t.log(`seed ${seed}; ${written} lines written\n${outcomes.lines.join('\n')}`);
    t.deepEqual(outcomes.wrong, []);
    t.true(outcomes.lines.some((line) => line.endsWith('killed')));
  },
);

let server: GlusterServer;
let node: ScratchNode;
let driver: Driver;
let client: Client;

test.before(async () => {
  server = await startGlusterServer({ volumes: ['v1', 'v2'], address: '10.77.0.2' });
  node = await ScratchNode.prepared({ enterNetwork: server.enter });
  driver = await startDriver(node);
  client = await connectClient(node);
});

test.after.always(async () => {
  await client?.[Symbol.asyncDispose]();
  await node?.dispose();
  await server?.stop();
});

const call = (method: string, request: object, seconds?: number): Promise<Answered> =>
  client.call('Node', `Node${method}`, request, seconds);

const mustCall = async (method: string, request: object): Promise<void> => {
  const { code, message } = await call(method, request);
  if (code !== 'OK') throw new Error(`${method}: ${code}: ${message}`);
};

let volumes = 0;

async function newVolume(volume = 'v1'): Promise<TestVolume> {
  volumes += 1;
  const made = testVolume(`survives-${volumes}`, { type: 'glusterfs', server: server.address, volume });
  await node.shell(`mkdir -p ${made.directories(20).join(' ')}`);
  return made;
}

/** What is on a target that is to be taken away, what is said of it, and what is there afterwards. */
const targets: readonly (readonly [what: string, made: string, words: RegExp | 'OK', left: string])[] = [
  ['nothing', 'true', 'OK', ''],
  ['nothing, nor the directory that it was in', 'rmdir $(dirname $1)', 'OK', ''],
  ['an empty directory', 'mkdir $1', 'OK', ''],
  ['an empty file', 'touch $1', 'OK', ''],
  ['a file of somebody', 'echo precious >$1', /cannot be removed/, 'precious'],
  ['a directory with files', 'mkdir $1; echo precious >$1/file', /not empty/, 'precious'],
  ['a symlink to a directory', 'mkdir $1-real; ln -s $1-real $1', /cannot be removed/, ''],
];

for (const [what, made, words, left] of targets)
  test.serial(`unpublish: ${what}`, async (t) => {
    const volume = await newVolume();
    const target = volume.target(1);
    await node.run(['sh', '-euc', made, 'sh', target]);
    const { code, message, ms } = await call('UnpublishVolume', volume.unpublished(1));
    if (words === 'OK') {
      t.is(code, 'OK', message);
      t.false(existsSync(node.path(target)));
    } else {
      t.is(code, 'FAILED_PRECONDITION');
      t.regex(message, words);
    }
    t.true(ms < 30_000, `${ms} ms`);
    t.is(await node.shell(`cat ${target} ${target}/* 2>/dev/null || true`), left === '' ? '' : `${left}\n`);
  });

test.serial('a way through a symlink leads to no volume, and says so', async (t) => {
  const volume = await newVolume();
  await mustCall('StageVolume', volume.staged);
  await mustCall('PublishVolume', volume.published(1));
  const pod = volume.target(1).replace(/\/volumes\/.*/, '');
  await node.shell(`ln -s ${pod} ${pod}-link`);
  const led = volume.target(1).replace(pod, `${pod}-link`);
  t.regex((await call('UnpublishVolume', { volumeId: 'x', targetPath: led })).message, /is a symlink/);
  t.is(node.entriesOf(volume.target(1)).length, 1);
  await mustCall('UnpublishVolume', volume.unpublished(1));
  await mustCall('UnstageVolume', volume.unstaged);
});

test.serial('whoever hangs holds up nobody else', async (t) => {
  t.timeout(600_000);
  const [dead, late] = [await newVolume('v2'), await newVolume('v2')];
  await mustCall('StageVolume', dead.staged);
  await mustCall('PublishVolume', dead.published(1));
  await server.signalBrick('v2', 'STOP');
  try {
    let isOver = false;
    // A container that waits, the next Pods of the volume, and a volume that is to come.
    const waiting = node.run(['timeout', '-s', 'KILL', '60', 'ls', `${dead.target(1)}/x`]);
    const hanging = [
      call('StageVolume', late.staged, 40),
      ...[2, 3, 4].map((pod) => call('PublishVolume', dead.published(pod))),
      ...[1, 2].map(() => call('GetVolumeStats', { volumeId: 'x', volumePath: dead.target(1) })),
    ];
    const hung = Promise.all(hanging).finally(() => {
      isOver = true;
    });
    const healthy = await Promise.all([newVolume(), newVolume(), newVolume()]);
    await Promise.all(
      healthy.map(async (volume) => {
        await mustCall('StageVolume', volume.staged);
        await mustCall('PublishVolume', volume.published(1));
        await mustCall('GetVolumeStats', { volumeId: 'x', volumePath: volume.target(1) });
        await mustCall('UnpublishVolume', volume.unpublished(1));
        await mustCall('UnstageVolume', volume.unstaged);
      }),
    );
    t.false(isOver, 'all of it, while others hang');
    t.is((await hung)[0]?.code, 'DEADLINE_EXCEEDED');
    const ms = [1, 2, 3, 4].map(async (pod) => (await call('UnpublishVolume', dead.unpublished(pod))).ms);
    ms.push(call('UnstageVolume', dead.unstaged).then((answered) => answered.ms));
    const longest = Math.max(...(await Promise.all(ms)));
    t.true(longest < 30_000, `${longest} ms`);
    t.deepEqual(node.entriesOf(dead.staging), []);
    await waiting;
  } finally {
    await server.signalBrick('v2', 'CONT');
  }
  await mustCall('UnstageVolume', late.unstaged);
});

test.serial('full disks: a volume is taken away all the same, and mounted once there is room', async (t) => {
  const full = await ScratchNode.prepared({ enterNetwork: server.enter });
  try {
    await startDriver(full);
    await using theClient = await connectClient(full);
    const volume = testVolume('full', { type: 'glusterfs', server: server.address, volume: 'v1' });
    const must = async (method: string, request: object) => {
      const { code, message } = await theClient.call('Node', `Node${method}`, request);
      t.is(code, 'OK', `${method}: ${message}`);
    };
    await full.shell(`mkdir -p ${volume.directories(2).join(' ')}`);
    await must('StageVolume', volume.staged);
    await must('PublishVolume', volume.published(1));
    // The counters, written a second after a call.
    await full.shell(`timeout 60 sh -c 'until grep -qs PublishVolume ${csiTotalsFile}; do sleep 0.1; done'`);
    // Not one file more, nor byte: the locks and the settings are in one, the kubelet directory in the other.
    const limit = (path: string, to: string) => full.shell(`mount -o remount,${to} ${path}`);
    await full.shell('rm -f /run/containerized-mounter/locks/targets');
    for (const path of ['/run', '/var/lib'])
      await limit(path, `nr_inodes=$(stat -f -c '%c %d' ${path} | awk '{print $1 - $2}')`);
    const refused = await theClient.call('Node', 'NodePublishVolume', volume.published(2));
    t.is(refused.code, 'UNAVAILABLE');
    t.regex(refused.message, /the disk is full/);
    await must('GetVolumeStats', { volumeId: 'x', volumePath: volume.target(1) });
    await must('UnpublishVolume', volume.unpublished(1));
    await must('UnstageVolume', volume.unstaged);
    t.deepEqual(full.entriesOf(volume.staging), []);
    for (const path of ['/run', '/var/lib']) await limit(path, 'nr_inodes=0');
    await must('StageVolume', volume.staged);
    await must('PublishVolume', volume.published(2));
  } finally {
    await full.dispose();
  }
});

test.serial(
  'MOUNTER_HOME is removed: volumes are taken away all the same, and no other is mounted',
  async (t) => {
    const bare = await ScratchNode.prepared({ enterNetwork: server.enter });
    try {
      await startDriver(bare);
      await using theClient = await connectClient(bare);
      const volume = testVolume('bare', { type: 'glusterfs', server: server.address, volume: 'v1' });
      const ask = (method: string, request: object) => theClient.call('Node', `Node${method}`, request);
      await bare.shell(`mkdir -p ${volume.directories(2).join(' ')}`);
      t.like(await ask('StageVolume', volume.staged), { code: 'OK' });
      t.like(await ask('PublishVolume', volume.published(1)), { code: 'OK' });
      await bare.shell(`rm -rf ${mounterHome}`);
      const refused = await ask('PublishVolume', volume.published(2));
      t.is(refused.code, 'UNAVAILABLE');
      t.regex(refused.message, /mounter install/);
      t.like(await ask('UnpublishVolume', volume.unpublished(1)), { code: 'OK', message: '' });
      t.like(await ask('UnstageVolume', volume.unstaged), { code: 'OK', message: '' });
      t.deepEqual(bare.entriesOf(volume.staging), []);
      t.false(existsSync(bare.path(volume.target(1))));
    } finally {
      await bare.dispose();
    }
  },
);

/** What it may have together with the node agent. */
const mostMegabytes = 80;

test.serial('memory does not grow with the calls', async (t) => {
  t.timeout(600_000);
  const volume = await newVolume();
  await mustCall('StageVolume', volume.staged);
  const round = async (calls: number) => {
    for (let done = 0; done < calls; done += 60)
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          await mustCall('PublishVolume', volume.published(index + 1));
          await mustCall('GetVolumeStats', { volumeId: 'x', volumePath: volume.target(index + 1) });
          await mustCall('UnpublishVolume', volume.unpublished(index + 1));
        }),
      );
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${driver.pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes) / 1024;
  };
  const resident = [await round(120), await round(120), await round(120)];
  t.log(`resident after 120, 240, 360 calls: ${resident.map((one) => one.toFixed(0)).join(', ')} MB`);
  t.true(Math.max(...resident) < mostMegabytes);
  t.true((resident.at(-1) ?? 0) - (resident[0] ?? 0) < 8);
  await mustCall('UnstageVolume', volume.unstaged);
});
