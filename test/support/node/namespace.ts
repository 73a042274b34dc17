import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { ensureInstalled } from '../../../scripts/debian.ts';
import { distDirectory } from '../../../scripts/paths.ts';
import { type MountEntry, parseMountinfo } from '../../../src/host/mountinfo.ts';
import { type EnterMode, setEnter } from './enter-mode.ts';
import { installedCopy } from './installed-copy.ts';

/**
 * A scratch node: a mount, pid and network namespace of its own, in which `/home`, `/var/lib`, `/var/log`,
 * `/run`, `/tmp` and `/etc` are its own and all else is read-only, if it is not asked for otherwise. What runs there can hurt
 * nothing outside, sees only its own processes, and is gone with the namespace.
 *
 * What an installed node begins with at `/home` is an overlay's lower layer, of which no directory can be renamed, unless the
 * request has mount options for `/home`.
 */

export interface NodeRequest {
  /** What the node's mounts are: shared, as systemd makes them; private, as the kernel does; or slaves of others. */
  readonly propagation?: 'shared' | 'private' | 'slave';
  /** Mount options of the tmpfs at /home, such as `size=20m` or `noexec`. */
  readonly home?: string;
  /** Whether all of its root directory can be written, as on a machine: a copy in memory. */
  readonly isWritable?: boolean;
  /** The way into the rootfs; the manifest's own if left out. */
  readonly enter?: EnterMode;
  /** A command prefix that enters the network namespace to share; one of its own if left out. */
  readonly enterNetwork?: readonly string[];
}

export interface RunOptions {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** After how long it is ended; without it, soon enough that its words are seen before AVA gives up. */
  readonly timeoutMs?: number;
}

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface NodeProcess {
  /** As the node numbers it. */
  readonly pid: number;
  readonly commandLine: readonly string[];
}

export const mounterHome = '/home/kubernetes/containerized_mounter';
export const kubeletDirectory = '/var/lib/kubelet';
/** Where the node sees the repository's dist directory, and a scratch directory that the test sees too. */
export const dist = '/mnt/dist';
export const shared = '/mnt/shared';
/** The full executable; the installed one is the front, which kubelet calls. */
export const mounter = `${dist}/mounter`;
export const installedMounter = `${mounterHome}/mounter`;
export const rootfsTar = `${dist}/rootfs.tar.zst`;

/** Asked for once in a process. */
let packagesOfNode: Promise<void> | undefined;

const programPath = '/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Process 1 of the node reaps nobody, like process 1 of many containers: what ends is a zombie for ever,
 * and code that takes one for running hangs here. It ends with this process, whose pipe it reads.
 */
const setUp = `set -eu
read -r pid rest </proc/self/stat
mount -t proc proc /proc
mount -t tmpfs tmpfs /mnt
mkdir /mnt/dist /mnt/shared
mount --bind -o ro "$DIST" /mnt/dist
mount --bind "$SHARED" /mnt/shared
if [ "$WRITABLE" = true ]; then
  mkdir /mnt/upper /mnt/work /mnt/root
  mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
  for directory in dev proc sys mnt; do mount --rbind /$directory /mnt/root/$directory; done
  cd /mnt/root
  pivot_root . media
  umount -l /media /mnt/root
else
  mkdir /mnt/etc /mnt/etc.work
  mount -t overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/etc.work overlay /etc
fi
rm -f /etc/resolv.conf
echo 'nameserver 192.0.2.53' >/etc/resolv.conf
# The repository may lie below one of the directories that are covered now.
cd "\${INSTALLED:-/}"
for directory in /var/lib /var/log /run /tmp; do mount -t tmpfs tmpfs $directory; done
if [ -n "$INSTALLED" ]; then
  mkdir /mnt/home /mnt/home.work
  cp -a log/. /var/log
  mount -t overlay -o lowerdir=home,upperdir=/mnt/home,workdir=/mnt/home.work overlay /home
else
  mount -t tmpfs -o "$HOME_OPTIONS" tmpfs /home
fi
cd /
mkdir -m 0750 /var/lib/kubelet
mkdir /run/lock
ip link set lo up
[ "$WRITABLE" = true ] || mount -o remount,bind,ro /
[ "$PROPAGATION" = private ] || mount --make-rshared /
if [ "$PROPAGATION" = slave ]; then
  mkdir /mnt/masters
  mount --make-private /mnt
  for directory in / /home /run /var/lib; do
    mkdir -p /mnt/masters$directory/of
    mount --bind $directory /mnt/masters$directory/of
    mount --make-slave $directory
  done
fi
echo "$pid"
exec cat`;

/** What `mounter install` writes to, beside its locks; and where a copy of it has that. */
const madeByInstall = { home: '/home/kubernetes', log: '/var/log/containerized-mounter' } as const;

/** A filesystem that file descriptor 3, which is open at /dev/fuse, stands for: a line of the shell. */
export function fuseMount(fstype: string, source: string, target: string): string {
  // From util-linux 2.39 on mount(8) loses what stands behind the dot, if it is no option.
  const [type, subtype] = fstype.split('.');
  const named = subtype === undefined ? '' : `,subtype=${subtype}`;
  return `mount -i -t ${type} -o fd=3,rootmode=40000,user_id=0,group_id=0${named} ${source} ${target}`;
}

/**
 * What was installed on the first node from dist: to install is most of a test's time, and all of them would come to the
 * same. The tests of the install itself begin with a bare node.
 */
let firstInstalled: Promise<string> | undefined;

/** @returns the directory that has it. */
function installedOnce(): Promise<string> {
  firstInstalled ??= installedCopy(async (directory) => {
    await using node = await ScratchNode.start();
    await node.mustRun('install', rootfsTar);
    for (const [name, path] of Object.entries(madeByInstall)) {
      await mkdir(join(directory, name));
      await copyInto(join(directory, name), node.path(path));
    }
  });
  return firstInstalled;
}

export class ScratchNode {
  /** Process 1 of the node, as this machine numbers it. */
  readonly #pid: number;
  readonly #holder: ChildProcess;
  /** On this machine; `shared` in the node. */
  readonly sharedDirectory: string;
  /** The mounts that it began with. */
  readonly #firstMounts: ReadonlySet<number>;

  private constructor(pid: number, holder: ChildProcess, sharedDirectory: string) {
    this.#pid = pid;
    this.#holder = holder;
    this.sharedDirectory = sharedDirectory;
    this.#firstMounts = new Set(this.mountinfo().map(({ mountId }) => mountId));
  }

  /** @throws when the namespaces can't be made: these tests need root. */
  static start(request: NodeRequest = {}): Promise<ScratchNode> {
    return ScratchNode.#start(request);
  }

  /** @param installed what its /home has to begin with, and is not copied. */
  static async #start(
    { propagation = 'shared', home = 'mode=0755', isWritable = false, enterNetwork }: NodeRequest,
    installed = '',
  ): Promise<ScratchNode> {
    packagesOfNode ??= ensureInstalled(['iproute2']);
    await packagesOfNode;
    const sharedDirectory = mkdtempSync(join(tmpdir(), 'scratch-node-'));
    const namespaces = [
      '--mount',
      '--propagation=private',
      '--uts',
      '--ipc',
      // Its daemons have no reason to leave the control group that they are in.
      '--cgroup',
      '--pid',
      '--fork',
      '--kill-child',
    ];
    const network = enterNetwork === undefined ? ['--net'] : [];
    const [program, ...args] = [
      ...(enterNetwork ?? []),
      'unshare',
      ...network,
      ...namespaces,
      'sh',
      '-c',
      setUp,
    ];
    const holder = spawn(program ?? '', args, {
      // Its last words, when its process 1 is killed, are no news.
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {
        PATH: programPath,
        DIST: distDirectory,
        SHARED: sharedDirectory,
        HOME_OPTIONS: home,
        INSTALLED: installed,
        PROPAGATION: propagation,
        WRITABLE: String(isWritable),
      },
    });
    const lines = createInterface({ input: holder.stdout });
    const [pid] = await Promise.race([once(lines, 'line'), once(holder, 'exit').then(() => [])]);
    if (!/^\d+$/.test(String(pid))) throw new Error('no scratch node: are we root?');
    return new ScratchNode(Number(pid), holder, sharedDirectory);
  }

  /** For nsenter(1): what enters the node. */
  get enter(): readonly string[] {
    return [
      '--target',
      String(this.#pid),
      '--mount',
      '--net',
      '--uts',
      '--ipc',
      '--cgroup',
      '--pid',
      '--wdns=/',
      '--',
    ];
  }

  /** The same for its network namespace alone. */
  get enterNetwork(): readonly string[] {
    return ['--target', String(this.#pid), '--net', '--'];
  }

  /** Runs `argv` in the node to its end; also one that fails. */
  async run(
    argv: readonly string[],
    { input, environment, timeoutMs = 400_000 }: RunOptions = {},
  ): Promise<Ran> {
    const result = await execa('nsenter', [...this.enter, ...argv], {
      ...(input === undefined ? { stdin: 'ignore' } : { input }),
      extendEnv: false,
      env: { PATH: programPath, ...environment },
      reject: false,
      stripFinalNewline: false,
      timeout: timeoutMs,
    });
    return { status: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr };
  }

  /** A node with the rootfs installed. */
  static async installed(request: NodeRequest = {}): Promise<ScratchNode> {
    // What does not fit into a /home of its own, the install is to say.
    const hasOwnHome = request.home !== undefined;
    const isOverlaid = !hasOwnHome && request.isWritable !== true;
    const node = await ScratchNode.#start(request, isOverlaid ? await installedOnce() : undefined);
    if (hasOwnHome) await node.#after(node.mustRun('install', rootfsTar));
    else if (!isOverlaid) await node.#after(node.becomeInstalled());
    if (request.enter !== undefined) await node.#after(node.setEnter(request.enter));
    return node;
  }

  /** As after the install of what is in dist, on a node where nothing is, without the time that it takes. */
  async becomeInstalled(): Promise<void> {
    const copy = await installedOnce();
    for (const [name, path] of Object.entries(madeByInstall))
      await copyInto(this.path(dirname(path)), join(copy, name, basename(path)));
  }

  /** A node that is ready for mounts. */
  static async prepared(request?: NodeRequest): Promise<ScratchNode> {
    const node = await ScratchNode.installed(request);
    return node.#after(node.mustRun('prepare'));
  }

  /** Nobody else could end the node that a failed set-up leaves. */
  async #after(setUp: Promise<unknown>): Promise<this> {
    try {
      await setUp;
    } catch (error) {
      await this.dispose();
      throw error;
    }
    return this;
  }

  /** `mounter ARGV`, which must succeed. @returns its stdout. */
  async mustRun(...argv: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.mounter(...argv);
    if (status !== 0) throw new Error(`status ${status} of mounter ${argv.join(' ')}\n${stderr}`);
    return stdout;
  }

  /** In the node's settings, as an operator changes it. */
  setEnter(enter: EnterMode): Promise<void> {
    return setEnter(this.path(mounterHome), enter);
  }

  /**
   * Mounts a tmpfs, a stand-in for a volume, by the installed mounter: meanwhile its mount.nfs needs no server.
   * @returns its path.
   */
  async mountVolume(name: string): Promise<string> {
    const target = `${kubeletDirectory}/pods/${name}`;
    await this.shell(`mkdir -p ${target}
      helper=$(realpath ${mounterHome}/rootfs)/usr/sbin/mount.nfs
      mv $helper $helper.real
      printf '#!/bin/sh\\nexec mount -t tmpfs "$1" "$2"\\n' >$helper; chmod 755 $helper
      status=0; ${installedMounter} mount -t nfs -o vers=4 server:/${name} ${target} || status=$?
      mv $helper.real $helper; exit $status`);
    return target;
  }

  /** Mounts what mountinfo shows as a GlusterFS volume, on the host; its daemon is gone at once. */
  async mountGlusterfs(name: string): Promise<string> {
    const target = `${kubeletDirectory}/pods/${name}`;
    const mount = fuseMount('fuse.glusterfs', `server:${name}`, target);
    await this.shell(`mkdir -p ${target}; ${mount} 3<>/dev/fuse`);
    return target;
  }

  /** Runs the installed executable; before there is one, that which is to be installed. */
  mounter(...argv: readonly string[]): Promise<Ran> {
    return this.run([
      existsSync(this.path(`${installedMounter}-full`)) ? installedMounter : mounter,
      ...argv,
    ]);
  }

  /** Runs a shell script that must succeed. @returns its stdout. */
  async shell(script: string): Promise<string> {
    const { status, stdout, stderr } = await this.run(['sh', '-euc', script]);
    if (status !== 0) throw new Error(`status ${status} of: ${script}\n${stderr}`);
    return stdout;
  }

  /** The node's file `path`, as this machine can open it. Absolute symlinks would lead out of the node. */
  path(path: string): string {
    return `/proc/${this.#pid}/root${path}`;
  }

  read(path: string): string {
    return readFileSync(this.path(path), 'utf8');
  }

  mountinfo(): readonly MountEntry[] {
    return parseMountinfo(readFileSync(`/proc/${this.#pid}/mountinfo`, 'utf8'));
  }

  /** How many entries of mountinfo one volume costs the node, by the way into the rootfs that it has now. */
  get entriesPerVolume(): number {
    const [manifest, own] = ['rootfs-manifest.json', 'node-settings.json'].map((name) => {
      const path = this.path(`${mounterHome}/${name}`);
      return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
    });
    return (own.enter ?? manifest.enter) === 'chroot' ? 2 : 1;
  }

  /** As after a power cut: all that runs is killed, what has been mounted since the start is gone, and so is /run. */
  async powerCycle(): Promise<void> {
    // -1 is everybody in the node but its process 1 and this shell.
    await this.shell('kill -KILL -1 || true');
    const added = this.mountinfo().filter(({ mountId }) => !this.#firstMounts.has(mountId));
    const unmounts = added.reverse().map(({ mountPoint }) => `umount -l '${mountPoint}' || true`);
    await this.shell(
      [...unmounts, 'umount -l /run', 'mount -t tmpfs tmpfs /run', 'mkdir /run/lock'].join('\n'),
    );
  }

  /** The entries at `target` and at its counterpart in any rootfs: what one volume costs. */
  entriesOf(target: string): readonly MountEntry[] {
    return this.mountinfo().filter(({ mountPoint }) => mountPoint.endsWith(target));
  }

  /** What runs in the node; no zombies, and not its process 1. */
  processes(): readonly NodeProcess[] {
    const proc = this.path('/proc');
    const pids = readdirSync(proc).filter((name) => /^\d+$/.test(name) && name !== '1');
    return pids.flatMap((name) => {
      try {
        const commandLine = readFileSync(`${proc}/${name}/cmdline`, 'utf8').split('\0').slice(0, -1);
        return commandLine.length === 0 ? [] : [{ pid: Number(name), commandLine }];
      } catch {
        return []; // It ended while we looked.
      }
    });
  }

  /** The processes whose program has this name. */
  processesOf(name: string): readonly NodeProcess[] {
    return this.processes().filter(({ commandLine }) => commandLine[0]?.split('/').at(-1) === name);
  }

  /** Ends the node and all that runs in it. @throws when something of it is left on this machine. */
  async dispose(): Promise<void> {
    const namespace = readlinkSync(`/proc/${this.#pid}/ns/pid`);
    // Held open, or its number would go to the next namespace.
    const held = openSync(`/proc/${this.#pid}/ns/pid`, 'r');
    try {
      const ended = once(this.#holder, 'exit');
      process.kill(this.#pid, 'SIGKILL');
      await ended;
      const left = readdirSync('/proc').filter((pid) => isIn(namespace, pid));
      if (left.length > 0) throw new Error(`left running: ${left.join(', ')}`);
    } finally {
      closeSync(held);
    }
    rmSync(this.sharedDirectory, { recursive: true, force: true });
    const mounts = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
    const leaked = mounts.filter(({ mountPoint }) => mountPoint.startsWith(this.sharedDirectory));
    if (leaked.length > 0) throw new Error(`left mounted: ${leaked[0]?.mountPoint}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

async function copyInto(directory: string, path: string): Promise<void> {
  await execa('cp', ['-a', path, directory]);
}

function isIn(namespace: string, pid: string): boolean {
  try {
    return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/ns/pid`) === namespace;
  } catch {
    return false; // It ended while we looked.
  }
}
