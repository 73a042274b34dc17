import '../guest/guest.ts';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { execa } from 'execa';
import { takeLock } from '../guest/lock.ts';
import { readMountsFrom } from '../guest/mountinfo.ts';
import { home } from '../guest/node.ts';

/** The guest as a node that systemd runs, with a service that does with volumes what kubelet does. */

const pods = '/var/lib/kubelet/pods/7a5c/volumes';
export const volumes = {
  v4: `${pods}/kubernetes.io~nfs/v4`,
  v3: `${pods}/kubernetes.io~nfs/v3`,
  old: `${pods}/kubernetes.io~nfs/old`,
  glusterfs: `${pods}/kubernetes.io~glusterfs/volume`,
} as const;

/** rpc.statd's: the servers to tell after a restart, and how many restarts there were. */
export const lockState = '/var/lib/containerized-mounter/nfs';

/** Made by the kubelet-like service when all of its volumes are mounted. */
const readyFile = '/run/kubelet-like';

/** Runs a program that must succeed. @returns its stdout. */
export async function run(program: string, ...args: readonly string[]): Promise<string> {
  return (await execa(program, args, { stdin: 'ignore', timeout: 300_000 })).stdout;
}

export const mounter = (...args: readonly string[]) => run(`${home}/mounter`, ...args);
export const systemctl = (...args: readonly string[]) => run('systemctl', ...args);

/** What `systemctl show` says of a unit. */
export const property = async (unit: string, name: string): Promise<string> =>
  systemctl('show', '--value', `--property=${name}`, unit);

/** Type, KillMode and the rest are systemd's defaults: a restart ends all that is in its control group. */
export async function installKubelet(): Promise<void> {
  const text = `[Unit]
Description=Stand-in for a kubelet
[Service]
ExecStart=/bin/bash /host/test/support/systemd/kubelet.sh
Restart=always
RestartSec=1
TimeoutStopSec=20
[Install]
WantedBy=multi-user.target
`;
  await writeFile('/etc/systemd/system/kubelet.service', text);
  await systemctl('daemon-reload');
}

/**
 * Other machines, though on this one: the node has booted before, and they answer when this returns. When the
 * node goes down they stay until its volumes are unmounted.
 */
export async function startServers(): Promise<void> {
  const ready = '/run/servers';
  const script = '/host/test/support/systemd/servers.ts';
  const properties = [
    '--property=Before=remote-fs-pre.target',
    '--property=Environment=HOME=/root',
    '--property=KillMode=mixed',
    '--property=TimeoutStopSec=20',
  ];
  await run('systemd-run', '--unit=servers', ...properties, process.execPath, script, ready);
  for (let i = 0; i < 3000; i += 1) {
    if (existsSync(ready)) return;
    await setTimeout(100);
  }
  throw new Error(await run('journalctl', '--no-pager', '-b', '-n', '50', '-u', 'servers.service'));
}

/** Restarts kubelet as a person or an update does, and waits until it has found its volumes. */
export async function restartKubelet(): Promise<void> {
  rmSync(readyFile, { force: true });
  await systemctl('restart', 'kubelet.service');
  await kubeletIsReady();
}

/** Waits for nothing but the node itself. @throws Error with what kubelet logged. */
export async function kubeletIsReady(): Promise<void> {
  for (let i = 0; i < 1500; i += 1) {
    if (existsSync(readyFile)) return;
    await setTimeout(100);
  }
  throw new Error(await run('journalctl', '--no-pager', '-b', '-n', '50', '-u', 'kubelet.service'));
}

/** Every volume is on the host, once; what is written arrives; NFSv3 locks are taken. */
export async function volumesWork(t: ExecutionContext): Promise<void> {
  for (const [name, target] of Object.entries(volumes)) {
    t.is((await readMountsFrom(target)).length, 1, `${name} is mounted on the host`);
    const text = `${name} ${Date.now()}\n`;
    await writeFile(`${target}/written`, text);
    t.is(await readFile(`${target}/written`, 'utf8'), text);
  }
  await locksWork(t);
}

export async function locksWork(t: ExecutionContext): Promise<void> {
  for (const name of ['v3', 'old', 'v4'] as const) {
    await writeFile(`${volumes[name]}/lock`, '');
    t.like(await takeLock(`${volumes[name]}/lock`, 8), { locked: true, stderr: '' }, `a lock on ${name}`);
  }
}

export interface Daemon {
  readonly pid: number;
  readonly name: string;
  /** The unit it is in. */
  readonly unit: string;
  /** Its root directory. */
  readonly root: string;
}

/**
 * The daemons in the node's rootfs, by name. A server's have another root; a helper is none: kubelet tries again and
 * again what does not mount. Nor is sm-notify: it ends when all have heard of the reboot.
 */
export function daemons(): readonly Daemon[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = pids.flatMap((pid) => daemon(Number(pid)) ?? []);
  return found.sort((a, b) => a.name.localeCompare(b.name) || a.pid - b.pid);
}

function daemon(pid: number): Daemon | undefined {
  try {
    const root = versionAt(`/proc/${pid}/root`);
    if (root === undefined) return undefined;
    const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    if (/^mount\.|^sm-notify$/.test(name)) return undefined;
    const group = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim();
    return { pid, name, root, unit: group.slice(group.lastIndexOf('/') + 1) };
  } catch {
    return undefined; // It ended while we looked, or is a thread of the kernel's.
  }
}

/** The version whose directory it is. In a mount namespace of another process, its path tells nothing. */
function versionAt(path: string): string | undefined {
  const { dev, ino } = statSync(path);
  return readdirSync(`${home}/versions`)
    .map((name) => `${home}/versions/${name}`)
    .find((version) => {
      const stats = statSync(version);
      return stats.dev === dev && stats.ino === ino;
    });
}

/** The one daemon of that name. */
export function theDaemon(t: ExecutionContext, name: string): Daemon | undefined {
  const all = daemons();
  const found = all.filter((one) => one.name === name);
  t.is(found.length, 1, `one ${name} among ${JSON.stringify(all)}`);
  return found[0];
}
