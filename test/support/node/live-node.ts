import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { ensureInstalled } from '../../../scripts/debian.ts';
import { type MountEntry, parseMountinfo } from '../../../src/host/mountinfo.ts';
import { programIn } from '../programs/test-program.ts';
import { kubeletDirectory, mounterHome, type NodeRequest, ScratchNode } from './namespace.ts';

/** A node in use: Pods with volumes of every kind, containers, a CSI driver, and a kubelet that mounts and unmounts. */

/** What the kubelet directory is, as a script. */
const kubeletDirectories = {
  'a directory': '',
  'own group': 'mount --bind $K $K; mount --make-private $K; mount --make-shared $K',
  'bound on itself': 'mount --bind $K $K',
  'made rshared': 'mount --rbind $K $K; mount --make-rshared $K',
  'private mount': 'mount --bind $K $K; mount --make-private $K',
  'slave mount':
    'mkdir /mnt/master; mount --bind $K $K; mount --make-private $K; mount --make-shared $K; mount --bind $K /mnt/master; mount --make-slave $K',
  tmpfs: 'mount -t tmpfs -o mode=750 kubelet $K',
  symlink: 'rmdir $K; mkdir -p /var/lib/data/kubelet; ln -s data/kubelet $K',
  'below a mount': 'mount -t tmpfs -o mode=755 outer /var/lib; mkdir -m 750 $K',
  'pods on a disk': 'mkdir $K/pods; mount -t tmpfs -o mode=750 pods $K/pods',
} as const;

export const homes = {
  'a directory': '',
  'own mount': `mkdir -p ${mounterHome}; mount -t tmpfs -o mode=755 disk ${mounterHome}`,
  noexec: 'mount -o remount,bind,noexec,nosuid /home',
} as const;

const pod = (name: string, type: string, volume: string) =>
  `pods/${name}/volumes/kubernetes.io~${type}/${volume}`;
const subPaths = (name: string) => `pods/${name}/volume-subpaths/data/main`;
const emptyDirectory = pod('sub-paths', 'empty-dir', 'data');
const globalMount = 'plugins/kubernetes.io/csi/driver.example/0123/globalmount';

/** By functions of `populate`; every directory that is mounted has a `file`. */
const volumes = {
  secret: `tmpfs ${pod('a', 'secret', 's')}`,
  projected: `tmpfs ${pod('a', 'projected', 'token')}
    cd $K/${pod('a', 'projected', 'token')}; mkdir ..2026; mv file ..2026; ln -s ..2026 ..data; ln -s ..data/file file; cd /`,
  memory: `tmpfs ${pod('a', 'empty-dir', 'memory')}`,
  subPath: `mkdir -p $K/${emptyDirectory}/directory; echo a >$K/${emptyDirectory}/file; echo b >$K/${emptyDirectory}/directory/file
    bind $K/${emptyDirectory}/file ${subPaths('sub-paths')}/0; bind $K/${emptyDirectory}/directory ${subPaths('sub-paths')}/1`,
  csi: `tmpfs ${globalMount}; bind $K/${globalMount} ${pod('b', 'csi', 'pv')}/mount`,
  block: `bind /dev/zero plugins/kubernetes.io/csi/volumeDevices/publish/pv/uid`,
  nfs: `tmpfs ${pod('b', 'csi', 'nfs')}/mount 10.0.0.5:/export`,
  nested: `tmpfs ${pod('c', 'csi', 'shared')}/mount; mount --make-shared $K/${pod('c', 'csi', 'shared')}/mount
    tmpfs ${pod('c', 'csi', 'shared')}/mount/inner; tmpfs ${pod('c', 'csi', 'own')}/mount; tmpfs ${pod('c', 'csi', 'own')}/mount/inner`,
  fuse: `mkdir -p /mnt/fuse $K/${pod('d', 'csi', 'fuse')}/mount; echo fuse >/mnt/fuse/file
    bindfs /mnt/fuse $K/${pod('d', 'csi', 'fuse')}/mount`,
  silent: `mkdir -p $K/${pod('d', 'csi', 'silent')}/mount; $SILENT_FUSE silent bucket $K/${pod('d', 'csi', 'silent')}/mount`,
  '500 Pods': `for i in $(seq 500); do tmpfs pods/many-$i/volumes/kubernetes.io~projected/token; done`,
} as const;

export type Volume = keyof typeof volumes;

export interface LiveShape {
  readonly root: NonNullable<NodeRequest['propagation']>;
  readonly kubelet: keyof typeof kubeletDirectories;
  readonly home: keyof typeof homes;
  readonly volumes: readonly Volume[];
}

/** One of each. */
export const everyVolume: readonly Volume[] = (Object.keys(volumes) as Volume[]).filter(
  (kind) => kind !== '500 Pods',
);

const populate = `
tmpfs() { mkdir -p $K/$1; mount -t tmpfs -o size=64k \${2:-tmpfs} $K/$1; echo $1 >$K/$1/file; }
bind() {
  if [ -d $1 ]; then mkdir -p $K/$2; else mkdir -p $(dirname $K/$2); : >$K/$2; fi
  mount --bind $1 $K/$2
}
mkdir -p $K/pods`;

/** A program that runs until it is told to end, or the node ends. */
interface Companion {
  readonly process: ChildProcess;
  readonly output: Promise<string>;
}

/** A container's process, as the node numbers it. */
interface Container {
  readonly pid: number;
  readonly before: readonly string[];
}

/** What a path leads to, while it is held open. */
interface Watched {
  readonly path: string;
  readonly fd: number;
  readonly content: string;
}

export class LiveNode implements AsyncDisposable {
  readonly node: ScratchNode;
  /** The kubelet directory, without symlinks. */
  readonly directory: string;
  readonly #companions: Companion[] = [];
  readonly #containers: Container[] = [];
  readonly #watched: Watched[] = [];
  #before: readonly string[] = [];

  private constructor(node: ScratchNode, directory: string) {
    this.node = node;
    this.directory = directory;
  }

  static async start(shape: LiveShape): Promise<LiveNode> {
    await ensureInstalled(['bindfs']);
    const node = await ScratchNode.start({ propagation: shape.root });
    const live = new LiveNode(node, shape.kubelet === 'symlink' ? '/var/lib/data/kubelet' : kubeletDirectory);
    try {
      await live.#populate(shape);
      await live.#live();
      return live;
    } catch (error) {
      await live[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #populate({ kubelet, home, volumes: kinds }: LiveShape): Promise<void> {
    await this.node.shell(`K=${kubeletDirectory}; ${kubeletDirectories[kubelet]}`);
    await this.node.shell(homes[home]);
    const silentFuse = await programIn(this.node, 'silent-fuse');
    await this.node.shell(
      [
        `K=${this.directory}; SILENT_FUSE=${silentFuse}`,
        populate,
        ...kinds.map((kind) => volumes[kind]),
      ].join('\n'),
    );
  }

  async #live(): Promise<void> {
    for (const propagation of ['private', 'slave']) await this.#startContainer(propagation);
    const churn = await programIn(this.node, 'kubelet-churn');
    this.#companion([churn, this.directory, 'churn-kubelet']);
    const driver = ['unshare', '--mount', '--propagation', 'unchanged'];
    this.#companion([...driver, churn, this.directory, 'churn-driver']);
    this.#before = this.podMounts();
    for (const path of this.#contents()) this.#watched.push(watch(path));
  }

  async #startContainer(propagation: string): Promise<void> {
    const { process } = this.#companion([
      ...['unshare', '--mount', '--propagation', propagation],
      ...['sh', '-c', 'echo $$; exec cat'],
    ]);
    const [pid] = await once(process.stdout ?? process, 'data');
    this.#containers.push({ pid: Number(pid), before: this.#mountsOfContainer(Number(pid)) });
  }

  #companion(argv: readonly string[]): Companion {
    const process = spawn('nsenter', [...this.node.enter, ...argv], { stdio: ['pipe', 'pipe', 'inherit'] });
    const companion = { process, output: text(process.stdout) };
    this.#companions.push(companion);
    return companion;
  }

  /** All that is mounted, but for what comes and goes. */
  mounts(): readonly MountEntry[] {
    return this.node.mountinfo().filter(({ mountPoint }) => !mountPoint.includes('/churn-'));
  }

  /** The lines of all Pods, with their numbers and parents. A peer group may be one that is new. */
  podMounts(): readonly string[] {
    return this.#podEntries(this.mounts()).map(({ peerGroup: _, ...entry }) => JSON.stringify(entry));
  }

  #podEntries(entries: readonly MountEntry[]): readonly MountEntry[] {
    return entries.filter(({ mountPoint }) => mountPoint.startsWith(`${this.directory}/`));
  }

  #mountsOfContainer(pid: number): readonly string[] {
    return this.#podEntries(parseMountinfo(this.node.read(`/proc/${pid}/mountinfo`)))
      .filter(({ mountPoint }) => !mountPoint.includes('/churn-'))
      .map((entry) => JSON.stringify(entry));
  }

  /** One file of each Pod's mount; of the silent one nothing can be read. */
  #contents(): readonly string[] {
    return this.#podEntries(this.mounts())
      .filter(({ fstype, mountPoint }) => fstype !== 'fuse.silent' && mountPoint !== `${this.directory}/pods`)
      .map(({ mountPoint }) => this.node.path(mountPoint))
      .map((path) => (statSync(path).isDirectory() ? `${path}/file` : path));
  }

  /** What is no more as it was for a Pod, its containers, or the kubelet at work; a line each. */
  disturbed(): readonly string[] {
    const pods = differences(this.#before, this.podMounts()).map((line) => `a Pod's mount: ${line}`);
    const containers = this.#containers.flatMap(({ pid, before }) =>
      differences(before, this.#mountsOfContainer(pid)).map((line) => `a container's mount: ${line}`),
    );
    return [...pods, ...containers, ...this.#watched.filter(isChanged).map(({ path }) => `changed: ${path}`)];
  }

  /** Ends the kubelet, the driver and the containers. @returns how many Pods came and went, and what was wrong. */
  async end(): Promise<{ readonly pods: number; readonly wrong: readonly string[] }> {
    for (const { fd } of this.#watched.splice(0)) closeSync(fd);
    const outputs = await Promise.all(
      this.#companions.splice(0).map(({ process, output }) => {
        process.stdin?.end();
        return output;
      }),
    );
    const churns = outputs.flatMap((output) => {
      const [, pods, disturbed, first] = /^(\d+) (\d+) (.*)\n$/.exec(output) ?? [];
      return pods === undefined
        ? []
        : [{ pods: Number(pods), wrong: disturbed === '0' ? [] : [`${disturbed}: ${first}`] }];
    });
    if (churns.length !== 2) throw new Error('a kubelet at work has not told how it fared');
    return {
      pods: churns.reduce((sum, { pods }) => sum + pods, 0),
      wrong: churns.flatMap(({ wrong }) => wrong),
    };
  }

  /** All Pods go. @returns what is still mounted of them, wherever. */
  async unmountPods(): Promise<readonly string[]> {
    const points = this.#podEntries(this.mounts())
      .map(({ mountPoint }) => mountPoint)
      .filter((mountPoint) => mountPoint !== `${this.directory}/pods`)
      .reverse();
    await this.node.run(['killall', '-q', 'silent-fuse']);
    if (points.length > 0) await this.node.run(['umount', ...points]);
    const ways = points.map((point) => point.slice(this.directory.length));
    return this.node
      .mountinfo()
      .map(({ mountPoint }) => mountPoint)
      .filter((mountPoint) => ways.some((way) => mountPoint.endsWith(way)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { fd } of this.#watched.splice(0)) closeSync(fd);
    for (const { process } of this.#companions) process.stdin?.end();
    await this.node.dispose();
  }
}

function differences(before: readonly string[], after: readonly string[]): readonly string[] {
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
  ];
}

function watch(path: string): Watched {
  const fd = openSync(path, 'r');
  return { path, fd, content: read(fd) };
}

/** By the descriptor, and by the path. */
function isChanged({ path, fd, content }: Watched): boolean {
  if (!existsSync(path) || read(fd) !== content) return true;
  const now = openSync(path, 'r');
  try {
    const [held, found] = [fstatSync(fd), fstatSync(now)];
    return read(now) !== content || held.dev !== found.dev || held.ino !== found.ino;
  } finally {
    closeSync(now);
  }
}

function read(fd: number): string {
  const start = Buffer.alloc(64);
  return start.toString('utf8', 0, readSync(fd, start, 0, start.length, 0));
}
