import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { exitCode } from '../../src/exit-codes.ts';
import { askDead, type Durations, liveAtOnce } from '../../test/support/csi/crowd.ts';
import { type Client, connectClient } from '../../test/support/csi/driver.ts';
import { type TestVolume, testVolume } from '../../test/support/csi/requests.ts';
import { type GlusterServer, startGlusterServer } from '../../test/support/gluster/gluster-server.ts';
import type { ScratchNode } from '../../test/support/node/namespace.ts';
import { driverSpec, nodeWithImage, RunningAgent } from '../../test/support/node/node-agent.ts';
import { runMain, wholeNumber } from '../command-line.ts';

const [healthyOnes, deadOnes] = [40, 10];

async function main(rounds: number, operations: number, idle: number): Promise<number> {
  await using server = await startGlusterServer({ volumes: ['v1', 'v2'] });
  await using node = await nodeWithImage({ enterNetwork: server.enter });
  const agent = new RunningAgent(node, await driverSpec());
  await agent.until(1, /kubelet has not registered the CSI driver/, 120);
  await using client = await connectClient(node);
  for (let round = 0; round < rounds; round += 1) await compareCrowds(node, client, server);
  await measureMemory(agent.pid, operations, idle, node, client, server);
  await agent.end();
  return exitCode.success;
}

let volumes = 0;

async function newVolumes(
  count: number,
  volume: string,
  node: ScratchNode,
  server: GlusterServer,
): Promise<readonly TestVolume[]> {
  const made = Array.from({ length: count }, () => {
    volumes += 1;
    return testVolume(`bench-${volumes}`, { type: 'glusterfs', server: server.address, volume });
  });
  await node.shell(`mkdir -p ${made.flatMap((one) => one.directories(2)).join(' ')}`);
  return made;
}

async function compareCrowds(node: ScratchNode, client: Client, server: GlusterServer): Promise<void> {
  const healthy = await newVolumes(healthyOnes, 'v1', node, server);
  const alone = await liveAtOnce(client, healthy);
  const dead = await newVolumes(deadOnes, 'v2', node, server);
  const [staged, others] = [dead.slice(deadOnes / 2), dead.slice(0, deadOnes / 2)];
  for (const volume of staged) {
    await client.call('Node', 'NodeStageVolume', volume.staged);
    await client.call('Node', 'NodePublishVolume', volume.published(1));
  }
  await server.signalBrick('v2', 'STOP');
  const asking = askDead(client, staged, others, 60);
  const beside = await liveAtOnce(client, healthy);
  await server.signalBrick('v2', 'CONT');
  await asking;
  for (const volume of staged) await client.call('Node', 'NodeUnpublishVolume', volume.unpublished(2));
  for (const volume of dead) await client.call('Node', 'NodeUnstageVolume', volume.unstaged);
  for (const [method, durations] of alone) {
    const [before, after] = [percentile99(durations), percentile99(beside.get(method) ?? [])];
    const ratio = (after / before).toFixed(2);
    console.log(`${method}: 99th percentile alone ${before} ms, beside the dead ${after} ms: ${ratio} times`);
  }
  const [before, after] = [alone, beside].map(total);
  console.log(`all of it: ${before} ms and ${after} ms: ${((after ?? 0) / (before ?? 1)).toFixed(2)} times`);
}

function percentile99(durations: readonly number[]): number {
  return durations.toSorted((a, b) => a - b)[Math.ceil(durations.length * 0.99) - 1] ?? 0;
}

function total(durations: Durations): number {
  return [...durations.values()].reduce((sum, list) => sum + percentile99(list), 0);
}

async function measureMemory(
  pid: number,
  operations: number,
  idleSeconds: number,
  node: ScratchNode,
  client: Client,
  server: GlusterServer,
): Promise<void> {
  const proc = node.path(`/proc/${pid}`);
  const tell = (what: string) => console.log(`${what}: ${residentMegabytes(proc)} MB resident`);
  tell('before the first call');
  const [volume] = await newVolumes(1, 'v1', node, server);
  if (volume === undefined) return;
  await node.shell(`mkdir -p ${volume.directories(200).join(' ')}`);
  const must = async (method: string, request: object) => {
    const { code, message } = await client.call('Node', `Node${method}`, request);
    if (code !== 'OK') throw new Error(`${method}: ${code}: ${message}`);
  };
  await must('StageVolume', volume.staged);
  for (let third = 1; third <= 3; third += 1) {
    for (let done = 0; done < operations / 3; done += 3) {
      await must('PublishVolume', volume.published(1));
      await must('GetVolumeStats', { volumeId: 'x', volumePath: volume.target(1) });
      await must('UnpublishVolume', volume.unpublished(1));
    }
    tell(`after ${(operations / 3) * third} calls`);
  }
  const pods = Array.from({ length: 200 }, (_, pod) => pod + 1);
  await Promise.all(pods.map((pod) => must('PublishVolume', volume.published(pod))));
  tell('200 Pods published at once');
  await setTimeout(5000);
  tell('5 s later');
  const before = processorSeconds(proc);
  await setTimeout(idleSeconds * 1000);
  const used = processorSeconds(proc) - before;
  console.log(`idle for ${idleSeconds} s: ${used.toFixed(2)} s of a processor of its own`);
  tell('then');
  await Promise.all(pods.map((pod) => must('UnpublishVolume', volume.unpublished(pod))));
  await must('UnstageVolume', volume.unstaged);
}

function residentMegabytes(proc: string): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`${proc}/status`, 'utf8')) ?? [];
  return Math.round(Number(kilobytes) / 1024);
}

/** utime and stime, in clock ticks of 10 ms. @see proc_pid_stat(5) */
function processorSeconds(proc: string): number {
  const fields = readFileSync(`${proc}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

await runMain({
  name: 'bench:csi',
  flags: {
    '--rounds N': { text: 'how often the volumes at once are compared', default: '3' },
    '--operations N': { text: 'calls, after each third of which its memory is read', default: '3000' },
    '--idle SECONDS': { text: 'how long it then has nothing to do', default: '600' },
  },
  needsRoot: true,
  manual: [
    `The node agent with the CSI driver in it, as its container runs it, with real GlusterFS: 50 volumes at once, ten of them
    on a server that is silent, against those 40 alone; and its memory and processor time. Needs root, and what npm run
    image makes.`,
  ],
  run: (flags) => {
    const number = (name: 'rounds' | 'operations' | 'idle') =>
      wholeNumber(`--${name}`, flags.value(name), 1_000_000);
    return main(number('rounds'), number('operations'), number('idle'));
  },
});
