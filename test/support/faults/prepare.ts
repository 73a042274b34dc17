import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { EnterMode } from '../node/enter-mode.ts';
import { installedMounter, kubeletDirectory, type Ran, ScratchNode } from '../node/namespace.ts';
import { leftSince, type NodeRemains, remainsOf } from '../node/remains.ts';
import { placeStandIn } from '../node/stand-in-helper.ts';
import { type Faulty, type Finding, findingOf, goneMs, patienceSeconds, traceFile } from './finding.ts';
import { errorsOf, type Injection } from './injection.ts';
import { parseTrace, type TracedCall } from './trace.ts';

/**
 * `mounter prepare`, at which one system call fails. The runtime of the full executable makes hundreds of them for
 * itself, on which nothing of ours depends: those count that change the node, or look at what is ours.
 */
const calls: readonly string[] = [
  ...['mount', 'umount2', 'pivot_root', 'move_mount', 'open_tree', 'mount_setattr', 'setns', 'unshare'],
  ...['openat', 'mkdir', 'rmdir', 'rename', 'symlink', 'unlink', 'chmod', 'fchmod', 'flock', 'fsync'],
  ...['chroot', 'chdir', 'fchdir', 'execve', 'vfork', 'newfstatat', 'statx'],
];
const withoutPath: readonly string[] = ['setns', 'unshare', 'vfork', 'fsync', 'fchdir', 'fchmod', 'flock'];
const ourPaths = /^\/(run|home|var|proc\/self\/(mountinfo|ns))(\/|$)/;

/** Who does not get back into the host's mount namespace can take nothing away there: the next prepare does. */
const canNotUndo: readonly string[] = ['setns', 'unshare'];

const target = `${kubeletDirectory}/pods/u/volumes/kubernetes.io~nfs/v`;

/** A node on which `prepare` fails in one way after the other. */
export class FaultyPrepare implements Faulty {
  readonly #node: ScratchNode;
  /** As `teardown`, and as `prepare` leave it. */
  readonly #bare: NodeRemains;
  readonly #prepared: NodeRemains;

  private constructor(node: ScratchNode, bare: NodeRemains, prepared: NodeRemains) {
    this.#node = node;
    this.#bare = bare;
    this.#prepared = prepared;
  }

  static async on(enter: EnterMode): Promise<FaultyPrepare> {
    const node = await ScratchNode.installed({ enter });
    try {
      await placeStandIn(node);
      await node.shell(`mkdir -p ${target}`);
      // For the files that only the first ones make.
      await node.mustRun('prepare');
      await node.mustRun('teardown');
      const bare = await remainsOf(node);
      await node.mustRun('prepare');
      const prepared = await remainsOf(node);
      await node.mustRun('teardown');
      return new FaultyPrepare(node, bare, prepared);
    } catch (error) {
      await node.dispose();
      throw error;
    }
  }

  async injections(): Promise<readonly Injection[]> {
    await this.#prepare(['strace', '-f', '-o', traceFile, '-e', `trace=${calls.join(',')}`]);
    const trace = parseTrace(this.#trace());
    await this.#node.mustRun('teardown');
    const found = trace.flatMap(injectionsOfCall);
    return [
      ...new Map(found.map((one) => [`${one.call} ${one.nth} ${one.path} ${one.error}`, one])).values(),
    ];
  }

  /** @throws when the node can't be brought to what it was. */
  async inject(injection: Injection): Promise<Finding> {
    return findingOf(
      injection,
      (prefix) => this.#prepare(prefix),
      () => this.#trace(),
      (status) => this.#wrongState(status, injection),
    );
  }

  #prepare(prefix: readonly string[]): Promise<Ran> {
    const script = `exec 2>&1; exec timeout -s KILL ${patienceSeconds} "$@"`;
    return this.#node.run(['sh', '-c', script, 'sh', ...prefix, `${installedMounter}-full`, 'prepare']);
  }

  /** A success is whole; a failure leaves nothing, or the whole; the next one makes it whole. */
  async #wrongState(status: number, { call }: Injection): Promise<readonly string[]> {
    const wrong: string[] = [];
    const must = async (what: string, ...argv: readonly string[]) => {
      const { status: then, stderr } = await this.#node.mounter(...argv);
      if (then !== 0) wrong.push(`${what}: status ${then}: ${stderr.trim()}`);
    };
    if (status === 0)
      wrong.push(
        ...(await leftSince(this.#prepared, this.#node, goneMs)).map((one) => `success, but ${one}`),
      );
    else {
      const end = performance.now() + goneMs;
      let left = await this.#leftByFailure(call);
      for (; left.length > 0 && performance.now() < end; left = await this.#leftByFailure(call))
        await setTimeout(20);
      wrong.push(...left);
      await must('the next prepare', 'prepare');
      wrong.push(
        ...(await leftSince(this.#prepared, this.#node, goneMs)).map((one) => `after the next, ${one}`),
      );
    }
    await must('a mount afterwards', 'mount', '-t', 'nfs', '-o', 'vers=4', '10.0.0.5:/x', target);
    await this.#node.run(['umount', target]);
    await must('teardown afterwards', 'teardown');
    const rest = await leftSince(this.#bare, this.#node, goneMs);
    wrong.push(...rest.map((one) => `after teardown, ${one}`));
    return wrong;
  }

  /** Now, and without what may stay. */
  async #leftByFailure(call: string): Promise<readonly string[]> {
    const left = await leftSince(this.#bare, this.#node, 0);
    // What is old is taken away last, when calls may have entered already.
    const isWhole = left.length > 0 && (await leftSince(this.#prepared, this.#node, 0)).length === 0;
    const isExcused = isWhole || canNotUndo.includes(call);
    return left.filter((one) => !isExcused || /^(processes|held) /.test(one));
  }

  #trace(): string {
    return readFileSync(`${this.#node.sharedDirectory}/trace`, 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node.dispose();
  }
}

/**
 * By the file that it is about, the first such call of each process; where none is named, by its number. With
 * `-f`: `prepare` has mount(8) and others work for it.
 */
function injectionsOfCall({ name, nth, text }: TracedCall): readonly Injection[] {
  const paths = pathsOf(text).filter((path) => name === 'execve' || ourPaths.test(path));
  const places = withoutPath.includes(name) ? [{ nth }] : paths.map((path) => ({ nth: 1, path }));
  return places.flatMap((place) =>
    errorsOf(name).map((error) => ({ call: name, error, isInChild: true, text, ...place })),
  );
}

/** Of an execve(2) the program alone: what follows is its arguments. */
function pathsOf(text: string): readonly string[] {
  const paths = [...text.matchAll(/"(\/[^"]*)"/g)].map(([, path = '']) => path);
  return text.startsWith('execve') ? paths.slice(0, 1) : paths;
}
