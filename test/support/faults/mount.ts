import { readFileSync } from 'node:fs';
import type { EnterMode } from '../node/enter-mode.ts';
import { installedMounter, type Ran, type ScratchNode } from '../node/namespace.ts';
import { leftSince, type NodeRemains, remainsOf } from '../node/remains.ts';
import {
  type Faulty,
  type Finding,
  goneMs,
  patienceSeconds,
  traceFile,
  wrongEnd,
  wrongWords,
} from './finding.ts';
import { type Injection, injectionsOf, straceArguments } from './injection.ts';
import { type Scenario, type ScenarioNode, scenarioNode } from './scenario.ts';
import { parseTrace } from './trace.ts';

/** A call at which system calls fail, one after the other, on one node. */
export class FaultyMount implements Faulty {
  readonly #place: ScenarioNode;
  readonly #node: ScratchNode;
  readonly #target: string;
  readonly #scenario: Scenario;
  readonly #before: NodeRemains;

  private constructor(place: ScenarioNode, scenario: Scenario, before: NodeRemains) {
    this.#place = place;
    this.#node = place.node;
    this.#target = place.target;
    this.#scenario = scenario;
    this.#before = before;
  }

  /** @throws when the call is wrong without a fault. */
  static async on(scenario: Scenario, enter: EnterMode): Promise<FaultyMount> {
    const place = await scenarioNode(scenario, enter);
    try {
      // After a first call, for the files that only that one makes.
      const first = new FaultyMount(place, scenario, await remainsOf(place.node));
      await first.#run([]);
      await first.#unmount();
      const mount = new FaultyMount(place, scenario, await remainsOf(place.node));
      await mount.#mustBeRight();
      return mount;
    } catch (error) {
      await place[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#place[Symbol.asyncDispose]();
  }

  async #mustBeRight(): Promise<void> {
    const { wrong, status, output } = await this.#judge(undefined, await this.#run([]), 0);
    if (wrong.length > 0 || (status === 0) !== this.#scenario.succeeds)
      throw new Error(`without a fault: status ${status}, ${wrong.join('; ')}\n${output}`);
  }

  async injections(): Promise<readonly Injection[]> {
    await this.#run(['strace', '-f', '-b', 'execve', '-o', traceFile]);
    const text = this.#trace();
    await this.#unmount();
    const { about = /./ } = this.#scenario;
    return injectionsOf(parseTrace(text)).filter(({ text }) => about.test(text));
  }

  async inject(injection: Injection): Promise<Finding> {
    const started = performance.now();
    const ran = await this.#run(['strace', ...straceArguments(injection, traceFile)]);
    const milliseconds = performance.now() - started;
    const isInjected = this.#trace().includes('(INJECTED)');
    return { injection, isInjected, ...(await this.#judge(injection, ran, milliseconds)) };
  }

  async #run(prefix: readonly string[]): Promise<Ran> {
    const { fstype, options, source } = this.#scenario;
    const call = [installedMounter, 'mount', '-t', fstype, '-o', options, source, this.#target];
    // stdout and stderr in one, as kubelet has them.
    const script = 'exec 2>&1; exec timeout -s KILL "$@"';
    const words = [String(patienceSeconds), ...prefix, ...call];
    return this.#node.run(['sh', '-c', script, 'sh', ...words]);
  }

  /** What is wrong; and afterwards the node is again as it was before. */
  async #judge(
    injection: Injection | undefined,
    { status, stdout }: Ran,
    milliseconds: number,
  ): Promise<Omit<Finding, 'injection' | 'isInjected'>> {
    const output = stdout.replace(/^strace: .*\n/gm, '');
    const wrong = [...wrongEnd(status, milliseconds), ...wrongWords(injection, status, output)];
    const mounted = this.#node.entriesOf(this.#target).map(({ source }) => source);
    const expected = status === 0 ? Array(this.#node.entriesPerVolume).fill(this.#scenario.source) : [];
    if (JSON.stringify(mounted) !== JSON.stringify(expected))
      wrong.push(`status ${status}, and mounted: ${mounted.join(', ') || 'nothing'}`);
    if (status === 0) await this.#unmount();
    const left = await leftSince(this.#before, this.#node, goneMs);
    wrong.push(...left);
    if (left.length > 0) await this.#cleanUp();
    await this.#forgetServers();
    return { wrong, status, output };
  }

  /** Failures that are remembered would be told without a helper being run. */
  async #forgetServers(): Promise<void> {
    await this.#node.shell('rm -f /run/containerized-mounter/failures/*');
  }

  async #unmount(): Promise<void> {
    for (let layer = this.#node.entriesOf(this.#target).length; layer > 0; layer -= 1)
      await this.#node.run(['umount', this.#target]);
    await leftSince(this.#before, this.#node, goneMs);
    await this.#forgetServers();
  }

  /** @throws when it can't be: another fault would be told of what this one left. */
  async #cleanUp(): Promise<void> {
    // All but process 1 and itself.
    await this.#node.run(['sh', '-c', 'kill -KILL -1']);
    await this.#node.run(['sh', '-c', `while umount -l ${this.#target}; do :; done 2>/dev/null`]);
    for (const one of await leftSince(this.#before, this.#node, goneMs)) {
      const [, file] = /^files left: (.*)$/.exec(one) ?? [];
      if (file !== undefined) await this.#node.run(['rm', '-rf', file]);
      const [, mountPoint] = /^(?:pinnedMounts|mounts) left: .* on (\S+)$/.exec(one) ?? [];
      if (mountPoint !== undefined) await this.#node.run(['umount', '-l', mountPoint]);
    }
    const left = await leftSince(this.#before, this.#node, goneMs);
    if (left.length > 0) throw new Error(`the node can't be used any more: ${left.join('; ')}`);
  }

  #trace(): string {
    return readFileSync(`${this.#node.sharedDirectory}/trace`, 'utf8');
  }
}
