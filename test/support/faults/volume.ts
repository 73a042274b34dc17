import { existsSync, readFileSync } from 'node:fs';
import type { EnterMode } from '../node/enter-mode.ts';
import { installedMounter, kubeletDirectory, type Ran } from '../node/namespace.ts';
import { leftSince, type NodeRemains, remainsOf } from '../node/remains.ts';
import { type Faulty, type Finding, findingOf, goneMs, patienceSeconds, traceFile } from './finding.ts';
import { type Injection, injectionsOf } from './injection.ts';
import { glusterAddress, type ScenarioNode, scenarioNode } from './scenario.ts';
import { parseTrace } from './trace.ts';

/** What `mounter volume` does for the CSI driver. */
export const volumeOperations = ['publish', 'unpublish', 'unstage', 'stats'] as const;
export type VolumeOperation = (typeof volumeOperations)[number];

const staged = `${kubeletDirectory}/plugins/kubernetes.io/csi/d/v/globalmount`;
const target = `${kubeletDirectory}/pods/u/volumes/kubernetes.io~csi/v/mount`;
const mountAt = (path: string) => ['mount', '-t', 'glusterfs', `${glusterAddress}:v1`, path];

/** The calls that bring the node to where each operation begins. */
const beginnings: Readonly<Record<VolumeOperation, readonly (readonly string[])[]>> = {
  publish: [mountAt(staged)],
  unpublish: [mountAt(staged), ['volume', 'publish', staged, target]],
  unstage: [mountAt(staged)],
  stats: [mountAt(staged)],
};
const operands: Readonly<Record<VolumeOperation, readonly string[]>> = {
  publish: [staged, target, 'nosuid', 'nodev'],
  unpublish: [target],
  unstage: [staged],
  stats: [staged],
};

/** An operation at which system calls fail, one after the other, on one node. */
export class FaultyVolume implements Faulty {
  readonly #place: ScenarioNode;
  readonly #operation: VolumeOperation;
  #before: NodeRemains | undefined;

  private constructor(place: ScenarioNode, operation: VolumeOperation) {
    this.#place = place;
    this.#operation = operation;
  }

  static async on(operation: VolumeOperation, enter: EnterMode): Promise<FaultyVolume> {
    const place = await scenarioNode({ fstype: 'glusterfs' }, enter);
    const volume = new FaultyVolume(place, operation);
    await place.node.shell(`mkdir -p ${staged} ${target}; rmdir ${target}`);
    // For the files that only the first calls make.
    for (const argv of beginnings.unpublish) await volume.#must(argv);
    for (const argv of [
      ['volume', 'unpublish', target],
      ['volume', 'unstage', staged],
    ])
      await volume.#must(argv);
    await volume.#begin();
    volume.#before = await remainsOf(place.node);
    return volume;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#place[Symbol.asyncDispose]();
  }

  async #must(argv: readonly string[]): Promise<void> {
    const { status, stderr } = await this.#place.node.run([installedMounter, ...argv]);
    if (status !== 0) throw new Error(`${argv.join(' ')}: status ${status}: ${stderr}`);
  }

  /** What is there already stays as it is. */
  async #begin(): Promise<void> {
    for (const argv of beginnings[this.#operation]) await this.#must(argv);
    if (this.#operation === 'publish') await this.#must(['volume', 'unpublish', target]);
  }

  async #run(prefix: readonly string[]): Promise<Ran> {
    const call = [installedMounter, 'volume', this.#operation, ...operands[this.#operation]];
    const script = `exec 2>&1; exec timeout -s KILL ${patienceSeconds} "$@"`;
    return this.#place.node.run(['sh', '-c', script, 'sh', ...prefix, ...call]);
  }

  async injections(): Promise<readonly Injection[]> {
    await this.#run(['strace', '-f', '-b', 'execve', '-o', traceFile]);
    const trace = parseTrace(this.#trace());
    await this.#begin();
    return injectionsOf(trace);
  }

  async inject(injection: Injection): Promise<Finding> {
    return findingOf(
      injection,
      (prefix) => this.#run(prefix),
      () => this.#trace(),
      async (status) => [...this.#wrongState(status), ...(await this.#wrongAfterwards())],
    );
  }

  /** A success is whole; what has failed has changed nothing, or all but its own words. */
  #wrongState(status: number): readonly string[] {
    const { node } = this.#place;
    const is = {
      staged: node.entriesOf(staged).length / node.entriesPerVolume,
      published: node.entriesOf(target).length / node.entriesPerVolume,
      directory: Number(existsSync(node.path(target))),
    };
    const done = {
      publish: { staged: 1, published: 1, directory: 1 },
      unpublish: { staged: 1, published: 0, directory: 0 },
      unstage: { staged: 0, published: 0, directory: 0 },
      stats: { staged: 1, published: 0, directory: 0 },
    }[this.#operation];
    const isDone = JSON.stringify(is) === JSON.stringify(done);
    if (status === 0) return isDone ? [] : [`success, but ${JSON.stringify(is)}`];
    const isWhole = is.staged <= 1 && is.published <= 1 && is.staged >= done.staged;
    return isWhole ? [] : [`status ${status}, and ${JSON.stringify(is)}`];
  }

  /** The same call succeeds then; and the node is again what it was, processes and locks too. */
  async #wrongAfterwards(): Promise<readonly string[]> {
    const { status, stdout } = await this.#run([]);
    const wrong = status === 0 ? this.#wrongState(0) : [`again: status ${status}: ${stdout.trim()}`];
    await this.#begin();
    const left = this.#before === undefined ? [] : await leftSince(this.#before, this.#place.node, goneMs);
    return [...wrong.map((one) => `again: ${one}`), ...left];
  }

  #trace(): string {
    return readFileSync(`${this.#place.node.sharedDirectory}/trace`, 'utf8');
  }
}
