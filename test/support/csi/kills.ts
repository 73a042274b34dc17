import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import { csiTotalsFile } from '../../../src/record/csi-metrics.ts';
import { Outcomes } from '../callers/outcomes.ts';
import { daemonsOf } from '../gluster/gluster-node.ts';
import { type GlusterServer, startGlusterServer } from '../gluster/gluster-server.ts';
import { ControlGroups } from '../node/control-groups.ts';
import { installedMounter, ScratchNode, shared } from '../node/namespace.ts';
import { leftSince, remainsOf } from '../node/remains.ts';
import { randomNumbers } from '../random.ts';
import { type Answered, type Client, connectClient, type Driver, startDriverBy } from './driver.ts';
import { type TestVolume, testVolume } from './requests.ts';

/**
 * The driver of a node is killed at moments by chance of each call of a volume's life, while a Pod writes to another
 * volume: it alone, or, as a runtime does, with all that is in its control group. Then kubelet asks for the same again.
 */

const phases = ['StageVolume', 'PublishVolume', 'UnpublishVolume', 'UnstageVolume'] as const;
type Phase = (typeof phases)[number];

export interface DriverKills {
  readonly outcomes: Outcomes;
  /** Lines that the Pod was told were written. */
  readonly written: number;
}

/** @param kills a multiple of 4, so that each phase has as many. */
export async function killDriver(kills: number, seed: number): Promise<DriverKills> {
  await using server = await startGlusterServer({ volumes: ['v1', 'v2'] });
  using groups = new ControlGroups();
  await using node = await ScratchNode.prepared(groups.request(server.enter));
  await groups.showIn(node);
  const place = new KilledDriver(node, groups, server);
  await place.startDriver();
  await using client = await connectClient(node);
  return await place.play(client, kills, randomNumbers(seed));
}

class KilledDriver {
  readonly #node: ScratchNode;
  readonly #groups: ControlGroups;
  readonly #server: GlusterServer;
  readonly #volume: TestVolume;
  readonly #written: TestVolume;
  #driver: Driver | undefined;
  #client: Client | undefined;
  /** How long a call takes that nobody disturbs. */
  readonly #usualMs = new Map<Phase, number>();

  constructor(node: ScratchNode, groups: ControlGroups, server: GlusterServer) {
    this.#node = node;
    this.#groups = groups;
    this.#server = server;
    const attributes = { type: 'glusterfs', server: server.address };
    this.#volume = testVolume('killed', { ...attributes, volume: 'v1' });
    this.#written = testVolume('written', { ...attributes, volume: 'v2' });
  }

  async startDriver(): Promise<void> {
    const command = [...this.#groups.in('driver'), 'env', 'NODE_NAME=node-1', installedMounter];
    this.#driver = await startDriverBy(command, this.#node);
  }

  #call(phase: Phase, volume = this.#volume): Promise<Answered> {
    const requests: Readonly<Record<Phase, object>> = {
      StageVolume: volume.staged,
      PublishVolume: volume.published(1),
      UnpublishVolume: volume.unpublished(1),
      UnstageVolume: volume.unstaged,
    };
    if (this.#client === undefined) throw new Error('not started');
    return this.#client.call('Node', `Node${phase}`, requests[phase]);
  }

  async #must(phase: Phase, volume = this.#volume): Promise<Answered> {
    const answered = await this.#call(phase, volume);
    if (answered.code !== 'OK') throw new Error(`${phase}: ${answered.code}: ${answered.message}`);
    return answered;
  }

  async play(client: Client, kills: number, random: () => number): Promise<DriverKills> {
    this.#client = client;
    const directories = [this.#volume, this.#written].flatMap((volume) => volume.directories(1));
    await this.#node.shell(`mkdir -p ${directories.join(' ')}`);
    for (const phase of [...phases, ...phases]) this.#usualMs.set(phase, (await this.#must(phase)).ms);
    const outcomes = new Outcomes();
    // The counters, written a second after the first call.
    await this.#node.shell(`timeout 10 sh -c 'until [ -e ${csiTotalsFile} ]; do sleep 0.1; done'`);
    const before = await remainsOf(this.#node);
    for (const phase of ['StageVolume', 'PublishVolume'] as const) await this.#must(phase, this.#written);
    const pod = this.#writeOn();
    for (let kill = 0; kill < kills; kill += 1) {
      const phase = phases[kill % phases.length] as Phase;
      outcomes.add(await this.#kill(phase, random(), random() < 0.5));
    }
    const lines = await pod.end();
    for (const phase of ['UnpublishVolume', 'UnstageVolume'] as const) await this.#must(phase, this.#written);
    const file = readFileSync(`${this.#server.brickPath('v2')}/file`, 'utf8');
    const wrong = [
      ...(file === lines.map((line) => `${line}\n`).join('') ? [] : ['lines of the Pod are lost']),
      ...(await leftSince(before, this.#node, 5000)),
    ];
    outcomes.add({ outcome: 'in the end', wrong });
    return { outcomes, written: lines.length };
  }

  async #kill(
    phase: Phase,
    chance: number,
    isGroup: boolean,
  ): Promise<{ readonly outcome: string; readonly wrong: readonly string[] }> {
    const answering = this.#call(phase);
    await setTimeout(chance * 1.2 * (this.#usualMs.get(phase) ?? 0));
    if (isGroup) await this.#groups.kill('driver');
    else await this.#driver?.kill('SIGKILL');
    await this.#driver?.ended;
    await this.startDriver();
    const answered = await answering;
    const again = await this.#call(phase);
    const outcome = `${phase} ${isGroup ? 'with its group' : 'alone'}: ${answered.code === 'OK' ? 'ended before' : 'killed'}`;
    const wrong =
      again.code === 'OK' ? await this.#wrongAfter(phase) : [`again: ${again.code}: ${again.message}`];
    return { outcome, wrong };
  }

  async #wrongAfter(phase: Phase): Promise<readonly string[]> {
    const wanted = phases.indexOf(phase);
    const [staging, target] = [this.#volume.staging, this.#volume.target(1)];
    const isStaged = wanted < 3;
    const isPublished = wanted === 1;
    const counts = {
      staged: [this.#node.entriesOf(staging).length, Number(isStaged)],
      published: [this.#node.entriesOf(target).length, Number(isPublished)],
      daemons: [await this.#daemonsIn(5000, Number(isStaged)), Number(isStaged)],
      directories: [Number(existsSync(this.#node.path(target))), Number(isPublished)],
      'that answer': [
        (await this.#node.run(['timeout', '5', 'ls', isPublished ? target : staging])).status,
        0,
      ],
    } as const;
    return Object.entries(counts).flatMap(([what, [found, expected]]) =>
      found === expected ? [] : [`${what}: ${found}, not ${expected}`],
    );
  }

  /** What has nothing mounted any more ends a moment later. */
  async #daemonsIn(milliseconds: number, expected: number): Promise<number> {
    const end = performance.now() + milliseconds;
    for (;;) {
      const found = daemonsOf(this.#volume.staging).length;
      if (found === expected || performance.now() > end) return found;
      await setTimeout(20);
    }
  }

  /** A Pod that writes a line, and another when it is at the server. @returns what ends it, and says what it has written. */
  #writeOn(): { end(): Promise<readonly string[]> } {
    const go = `${this.#node.sharedDirectory}/write-on`;
    writeFileSync(go, '');
    const script = `set -e
line=0
while [ -e ${shared}/write-on ]; do
  line=$((line + 1))
  echo $line >>${this.#written.target(1)}/file
  echo $line
  sleep 0.02
done`;
    const running = execa('nsenter', [...this.#node.enter, 'sh', '-c', script], { reject: false });
    return {
      end: async () => {
        rmSync(go);
        const { failed, stdout, stderr } = await running;
        if (failed) throw new Error(`a Pod's write has failed: ${stderr}`);
        return stdout.split('\n');
      },
    };
  }
}
