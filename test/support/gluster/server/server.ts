import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { MounterError } from '../../../../src/errors.ts';
import { exitCode } from '../../../../src/exit-codes.ts';
import { ensureServerRootfs } from './rootfs.ts';

export interface GlusterServerRequest {
  readonly volumes: readonly string[];
  /** Put on lo for as long as the server runs; `10.77.0.1` if left out. */
  readonly address?: string;
  /**
   * `own` (if left out): a network namespace of its own, to be entered with `GlusterServer.enter`.
   * `current`: the caller's, where several servers need several addresses.
   */
  readonly network?: 'own' | 'current';
  /**
   * An empty directory to hold the files; in memory if left out. For kernels whose tmpfs has no trusted.*
   * attributes.
   */
  readonly bricks?: string;
}

/** What can be sent to glusterd or a brick: it dies, falls silent while its ports stay open, answers again. */
export type ServerSignal = 'KILL' | 'STOP' | 'CONT';

export interface GlusterServer extends AsyncDisposable {
  /** Its process 1, as the caller sees it: `/proc/PID/ns`, `/proc/PID/root`. */
  readonly pid: number;
  readonly address: string;
  readonly volumes: readonly string[];
  /** Absolute path of the rootfs that it runs from; as a chroot it is a client with mount.glusterfs. */
  readonly rootfs: string;
  /**
   * Words to put before a command so that it runs in the server's network namespace, everything else
   * being the caller's: `['nsenter', '--net=/proc/PID/ns/net', '--']`; none for `network: 'current'`.
   */
  readonly enter: readonly string[];
  /** The directory that holds the files of `volume`, readable from outside while the server runs. */
  brickPath(volume: string): string;
  /** Ends the process that serves `volume` (the first if left out); glusterd goes on. */
  killBrick(volume?: string): Promise<void>;
  /** To the process that serves `volume`. Silent, it makes a mount hang for 42 s. */
  signalBrick(volume: string, signal: ServerSignal): Promise<void>;
  /** To glusterd, which hands out the volumes. Silent, it makes a mount hang for ever. */
  signalGlusterd(signal: ServerSignal): Promise<void>;
  /** Runs a command inside the server, e.g. `['gluster', 'volume', 'start', 'v1', 'force']`; its stdout. */
  run(argv: readonly [string, ...string[]]): Promise<string>;
  /** Ends every process of the server; its namespaces, mounts and files go with them. Any number of times. */
  stop(): Promise<void>;
}

/**
 * A GlusterFS server whose volumes, of one brick each, are started and can be mounted. It ends with `stop()`
 * or with this process, also when that is killed. Needs root, unshare(1) and nsenter(1).
 * @throws MounterError (usage) for a name or address that GlusterFS does not take; (system) with glusterd's
 *   own words when it does not start.
 */
export async function startGlusterServer(request: GlusterServerRequest): Promise<GlusterServer> {
  const { volumes, address = '10.77.0.1', network = 'own', bricks = '-' } = request;
  checkVolumes(volumes);
  checkAddress(address);
  const rootfs = await ensureServerRootfs();
  const init = await startInit(
    [rootfs, bricks, address, isIP(address) === 6 ? '128' : '32', ...volumes],
    network,
  );
  const [firstVolume = ''] = volumes;
  const pidFile = (volume: string) => `/run/gluster/vols/${volume}/${address}-bricks-${volume}.pid`;
  return {
    pid: init.pid,
    address,
    volumes,
    rootfs,
    enter: network === 'own' ? ['nsenter', `--net=/proc/${init.pid}/ns/net`, '--'] : [],
    brickPath: (volume) => `/proc/${init.pid}/root/bricks/${volume}`,
    killBrick: (volume = firstVolume) => signalDaemon(init, pidFile(volume), 'KILL'),
    signalBrick: (volume, signal) => signalDaemon(init, pidFile(volume), signal),
    signalGlusterd: (signal) => signalDaemon(init, '/run/glusterd.pid', signal),
    run: (argv) => runInside(init, argv),
    stop: init.stop,
    [Symbol.asyncDispose]: init.stop,
  };
}

/** glusterd(8) takes letters, digits, - and _. */
function checkVolumes(volumes: readonly string[]): void {
  const wrong = volumes.find((volume) => !/^[A-Za-z0-9_-]{1,255}$/.test(volume));
  if (wrong !== undefined) throw usageError(wrong, 'not a volume name', 'use letters, digits, "-" and "_"');
  if (volumes.length === 0) throw usageError('volumes', 'there is none', 'name at least one');
}

function checkAddress(address: string): void {
  const hint = 'take a private address such as 10.77.0.1; it need not exist yet';
  if (isIP(address) === 0) throw usageError(address, 'not an IP address', hint);
  if (/^(127\.|::1$)/.test(address)) throw usageError(address, 'glusterd refuses loopback addresses', hint);
}

function usageError(subject: string, message: string, hint: string): MounterError {
  return new MounterError(message, { subject, status: exitCode.usage, hint });
}

interface Init {
  /** In the pid namespace of the caller. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts `init.sh` with `args` in namespaces of its own; it is ready when this returns. */
async function startInit(args: readonly string[], network: 'own' | 'current'): Promise<Init> {
  const namespaces = ['--mount', '--propagation=private', '--pid', '--fork', '--kill-child'];
  if (network === 'own') namespaces.push('--net');
  const script = join(import.meta.dirname, 'init.sh');
  // init.sh ends when this pipe closes, which the kernel does for us should we be killed.
  const unshare = execa('unshare', [...namespaces, '/bin/sh', script, ...args], {
    stdin: 'pipe',
    // A process group of its own: ^C on the terminal is not for the server.
    detached: true,
    cleanup: false,
    reject: false,
  });
  const stop = async () => {
    unshare.stdin.end();
    await unshare;
  };
  const lines = createInterface({ input: unshare.stdout });
  const first = await Promise.race([once(lines, 'line').then(([line]) => String(line)), unshare]);
  if (first === 'ready' && unshare.pid !== undefined) return { pid: await onlyChild(unshare.pid), stop };
  await stop();
  throw startError((await unshare).stderr);
}

function startError(stderr: string): MounterError {
  const message = stderr.trim() === '' ? 'ended without a word' : stderr.trim().split('\n').join('; ');
  return new MounterError(message, {
    subject: 'GlusterFS server',
    status: exitCode.system,
    hint: 'run as root; remove .cache/gluster-server if its rootfs may be broken',
  });
}

/** @see proc(5), `/proc/pid/task/tid/children` */
async function onlyChild(pid: number): Promise<number> {
  return Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim());
}

async function runInside(init: Init, argv: readonly [string, ...string[]]): Promise<string> {
  const namespaces = [`--target=${init.pid}`, '--mount', '--pid', '--net', '--wd=/'];
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
  return (await execa('nsenter', [...namespaces, '--', ...argv], { env, extendEnv: false })).stdout;
}

/** @param pidFile inside the server, where the pids in it mean something. */
async function signalDaemon(init: Init, pidFile: string, signal: ServerSignal): Promise<void> {
  await runInside(init, ['sh', '-c', 'kill -s "$1" "$(cat "$2")"', 'sh', signal, pidFile]);
}
