import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestFn } from 'ava';
import { startGlusterServer } from '../gluster/gluster-server.ts';
import type { EnterMode } from '../node/enter-mode.ts';
import { installedMounter, kubeletDirectory, type Ran, ScratchNode } from '../node/namespace.ts';
import { type LookedAt, leftSince, type NodeRemains, remainsOf } from '../node/remains.ts';
import { helperPath, placeHelper, placeStandIn } from '../node/stand-in-helper.ts';
import { programIn } from '../programs/test-program.ts';
import { type CallEnd, type Caller, callEnds, callersInput } from './callers.ts';

/** How a call of `mounter mount` is to go. */
export type Behaviour = 'succeeds' | 'fails' | 'is slow' | 'waits';

/** A filesystem that tests mount, and how its helper is made to fail, and to take its time. */
export interface MountedKind {
  readonly fstype: 'nfs' | 'glusterfs';
  /** Two that can be mounted. */
  readonly sources: readonly [string, string];
  /** For -o; undefined for what it can't be made to do. */
  options(behaviour: Behaviour): string | undefined;
  /** Whether a call can see that its source is mounted already: a stand-in's mount is no NFS. */
  readonly knowsItsOwn: boolean;
  /** About as long as a call takes that succeeds. */
  readonly usualMs: number;
}

/** A node where calls mount one kind of filesystem. */
export interface Place extends LookedAt {
  readonly kind: MountedKind;
  /** callers.c, as the node sees it. */
  readonly callers: string;
  readonly entriesPerVolume: number;
  run(argv: readonly string[], options?: { readonly input?: string }): Promise<Ran>;
  /** Whatever is left of calls: ends every process that is not the node's, and takes all mounts away. */
  reset(): Promise<void>;
}

export function targetFor(kind: MountedKind): string {
  return `${kubeletDirectory}/pods/7c1e/volumes/kubernetes.io~${kind.fstype}/v`;
}

export function mountWords(
  kind: MountedKind,
  source: string,
  options: string,
  target: string,
): readonly string[] {
  return [installedMounter, 'mount', '-t', kind.fstype, '-o', options, source, target];
}

/** Makes the calls, and waits until all have ended. */
export async function makeCalls(place: Place, callers: readonly Caller[]): Promise<readonly CallEnd[]> {
  const { stdout, stderr } = await place.run([place.callers], { input: callersInput(callers) });
  return callEnds(stdout === '' ? stderr : stdout, callers.length);
}

/** The sources on `target`, once for each entry of the node's mount table. */
export function mountedOn(place: Place, target: string): readonly string[] {
  return place
    .mountinfo()
    .filter(({ mountPoint }) => mountPoint.endsWith(target))
    .map(({ source }) => source);
}

/** A guardian whose front was killed takes a moment to attach a mount, or to end its daemon and then the mount. */
export async function mountedInTheEnd(
  place: Place,
  target: string,
): Promise<{ readonly mounted: readonly string[]; readonly isAnswering: boolean }> {
  const deadline = performance.now() + goneMs;
  for (let looks = 1; ; looks += 1) {
    const isGuarded = hasGuardian(place);
    const mounted = mountedOn(place, target);
    const isAnswering = mounted.length > 0 && (await isAlive(place, target));
    const isNothingToCome = mounted.length === 0 && looks > 2 && !isGuarded;
    if (isAnswering || isNothingToCome || performance.now() > deadline) return { mounted, isAnswering };
    await sleep(100);
  }
}

/** A zombie has no command line. */
function hasGuardian(place: Place): boolean {
  const proc = place.path('/proc');
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        const read = (file: string) => readFileSync(`${proc}/${pid}/${file}`, 'utf8');
        return read('comm') === 'mounter-guard\n' && read('cmdline') !== '';
      } catch {
        return false; // It ended while we looked.
      }
    });
}

/** Whether the filesystem on `target` answers. */
export async function isAlive(place: Place, target: string): Promise<boolean> {
  return (await place.run(['timeout', '-s', 'KILL', '5', 'stat', '-f', target])).status === 0;
}

/** What a kill leaves, and a daemon whose volume is gone, may need so long to be gone as well, on a slow machine. */
const goneMs = 20_000;

/** @returns what is left of it after a moment; then nothing is, for the sake of the next ones. */
export async function leftOnce(place: Place, before: NodeRemains): Promise<readonly string[]> {
  const left = await leftSince(before, place, goneMs);
  if (left.length === 0) return left;
  await place.reset();
  const still = await leftSince(before, place, goneMs);
  if (still.length > 0) throw new Error(`can't be cleaned up: ${still.join('; ')}`);
  return left;
}

/** @returns why a call that nothing disturbs does not succeed, and what it leaves; nothing when all is well. */
export async function nextCallFaults(place: Place, before: NodeRemains): Promise<readonly string[]> {
  const { kind } = place;
  const [target, [source]] = [targetFor(kind), kind.sources];
  const { status, stderr } = await place.run(
    mountWords(kind, source, kind.options('succeeds') ?? '', target),
  );
  if (status !== 0) return [`the next call: status ${status}: ${stderr.trim()}`];
  const mounted = mountedOn(place, target);
  await place.run(['umount', target]);
  const left = await leftOnce(place, before);
  return [
    ...(mounted.length === place.entriesPerVolume ? [] : [`the next call mounted ${mounted.length} times`]),
    ...left.map((one) => `after the next call, ${one}`),
  ];
}

/** As after a first mount, which makes files that stay. */
export async function usedBefore(place: Place): Promise<NodeRemains> {
  const target = targetFor(place.kind);
  await place.run(['mkdir', '-p', target]);
  const { status, stderr } = await place.run(
    mountWords(place.kind, place.kind.sources[0], place.kind.options('succeeds') ?? '', target),
  );
  if (status !== 0) throw new Error(`nothing can be mounted: status ${status}\n${stderr}`);
  await place.run(['umount', target]);
  const deadline = performance.now() + goneMs;
  for (;;) {
    const before = await remainsOf(place);
    const helpers = before.processes.filter((words) => /^\S*\b(glusterfs|mount\.\S+)( |$)/.test(words));
    if (helpers.length === 0) return before;
    if (performance.now() > deadline) throw new Error(`running: ${helpers.join('; ')}`);
    await sleep(20);
  }
}

const standInOptions: Readonly<Record<Behaviour, string>> = {
  succeeds: 'vers=4',
  fails: 'vers=4,timeo=1',
  'is slow': 'vers=4,timeo=2',
  waits: 'vers=4,timeo=3',
};

/** stand-in-helper.c in the place of mount.nfs. */
export const standInNfs: MountedKind = {
  fstype: 'nfs',
  sources: ['10.0.0.5:/a', '10.0.0.5:/b'],
  options: (behaviour) => standInOptions[behaviour],
  knowsItsOwn: false,
  usualMs: 12,
};

const glusterAddress = '10.77.0.1';
const glusterOptions: Readonly<Record<Behaviour, string | undefined>> = {
  succeeds: 'log-level=ERROR',
  fails: 'foo',
  'is slow': 'log-level=ERROR,entry-timeout=0.2',
  waits: undefined,
};

export const glusterfs: MountedKind = {
  fstype: 'glusterfs',
  sources: [`${glusterAddress}:v1`, `${glusterAddress}:v2`],
  options: (behaviour) => glusterOptions[behaviour],
  knowsItsOwn: true,
  usualMs: 150,
};

/** The kinds that can be mounted on any machine. */
export const kindsHere: readonly MountedKind[] = [standInNfs, glusterfs];

/** A place, and what it has between two calls. */
export interface UsedPlace {
  readonly place: ScratchPlace;
  readonly before: NodeRemains;
}

/** One place for tests of a file that run in turn, made for the first of them. */
export function sharedPlace(test: TestFn, kind: MountedKind, enter: EnterMode): () => Promise<UsedPlace> {
  let used: Promise<UsedPlace> | undefined;
  test.after.always(async () => (await used?.catch(() => undefined))?.place[Symbol.asyncDispose]());
  const start = async () => {
    const place = await ScratchPlace.start(kind, enter);
    return { place, before: await usedBefore(place) };
  };
  return () => {
    used ??= start();
    return used;
  };
}

/** A scratch node, and a GlusterFS server beside it where the kind needs one. */
export class ScratchPlace implements Place, AsyncDisposable {
  readonly kind: MountedKind;
  readonly callers: string;
  readonly node: ScratchNode;
  readonly #stopServer: () => Promise<void>;

  private constructor(
    kind: MountedKind,
    node: ScratchNode,
    callers: string,
    stopServer: () => Promise<void>,
  ) {
    this.kind = kind;
    this.node = node;
    this.callers = callers;
    this.#stopServer = stopServer;
  }

  static async start(kind: MountedKind, enter: EnterMode): Promise<ScratchPlace> {
    const server =
      kind.fstype === 'glusterfs'
        ? await startGlusterServer({ volumes: ['v1', 'v2'], address: glusterAddress })
        : undefined;
    const stopServer = async () => server?.stop();
    let node: ScratchNode | undefined;
    try {
      const request = { enter, ...(server === undefined ? {} : { enterNetwork: server.enter }) };
      node = await ScratchNode.prepared(request);
      const place = new ScratchPlace(kind, node, await programIn(node, 'callers'), stopServer);
      if (kind.fstype === 'nfs') await placeStandIn(node);
      else await place.#placeSlowHelper();
      return place;
    } catch (error) {
      await node?.dispose();
      await stopServer();
      throw error;
    }
  }

  async #placeSlowHelper(): Promise<void> {
    const path = helperPath(this.kind.fstype);
    await this.node.shell(`mv ${path} ${path}.real`);
    await placeHelper(this.node, this.kind.fstype, await programIn(this.node, 'slow-helper'));
  }

  get entriesPerVolume(): number {
    return this.node.entriesPerVolume;
  }

  path(path: string): string {
    return this.node.path(path);
  }

  mountinfo() {
    return this.node.mountinfo();
  }

  run(argv: readonly string[], options?: { readonly input?: string }): Promise<Ran> {
    return this.node.run(argv, options);
  }

  async reset(): Promise<void> {
    // All but process 1 and itself.
    await this.node.run(['sh', '-c', 'kill -KILL -1']);
    const target = targetFor(this.kind);
    for (const { mountPoint } of this.mountinfo().filter((entry) => entry.mountPoint.endsWith(target)))
      await this.node.run(['umount', '-l', mountPoint]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.dispose();
    await this.#stopServer();
  }
}
