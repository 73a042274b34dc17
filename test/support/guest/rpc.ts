import './guest.ts';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import pRetry from 'p-retry';
import { script } from './machine.ts';

/** The node's own rpcbind and statd: what a host with nfs-common installed has running. */

const inHostRoot = ['--mount', '--propagation', 'private', 'bash', script('enter-server.sh'), '/run', '-'];

/**
 * Starts an rpcbind that uses the node's /run, as a host's would, and returns when it answers.
 * @param args `-w` restores the registrations of the one before.
 */
export async function startHostRpcbind(...args: readonly string[]): Promise<void> {
  await execa('unshare', [...inHostRoot, 'rpcbind', ...args], { stdin: 'ignore' });
  await pRetry(() => rpcinfo(), { retries: 50, minTimeout: 20, factor: 1 });
}

/** Starts an rpc.statd that uses the node's /run; it needs an rpcbind. */
export async function startHostStatd(): Promise<void> {
  await execa('unshare', [...inHostRoot, 'rpc.statd', '--no-notify'], { stdin: 'ignore' });
}

export interface RpcProcess {
  readonly pid: number;
  /** `rpcbind`, `rpc.statd`, `mount.nfs` … */
  readonly name: string;
  readonly argv: readonly string[];
}

/** The rpcbind, rpc.*, sm-notify and mount.nfs processes in the node's network namespace. */
export async function rpcProcesses(): Promise<readonly RpcProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const network = await readlink('/proc/self/ns/net');
  const found = await Promise.all(pids.map((pid) => rpcProcess(pid, network)));
  return found.filter((one) => one !== undefined);
}

/** Undefined for every other process, and for one that ended just now. */
async function rpcProcess(pid: number, network: string): Promise<RpcProcess | undefined> {
  try {
    const name = (await readFile(`/proc/${pid}/comm`, 'utf8')).trim();
    if (!/^(rpcbind|rpc\.|sm-notify|start-statd|mount\.nfs)/.test(name)) return undefined;
    const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);
    return (await readlink(`/proc/${pid}/ns/net`)) === network ? { pid, name, argv } : undefined;
  } catch {
    return undefined;
  }
}

/** Kills the node's processes of that name, all of `rpcProcesses()` if left out, and waits for their end. */
export async function killRpcProcesses(name?: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  const doomed = (await rpcProcesses()).filter((one) => name === undefined || one.name === name);
  for (const { pid } of doomed) process.kill(pid, signal);
  const remaining = new Set(doomed.map(({ pid }) => pid));
  while ((await rpcProcesses()).some(({ pid }) => remaining.has(pid))) await setTimeout(10);
}

export interface RpcRegistration {
  /** As in rpc(5): `portmapper`, `status`, `nlockmgr` …; the number where it has no name. */
  readonly program: string;
  readonly version: number;
  readonly protocol: string;
  readonly port: number;
}

/**
 * What is registered with the rpcbind at `address`, the node's own if left out.
 * @throws Error when none answers.
 */
export async function rpcinfo(address = '127.0.0.1'): Promise<readonly RpcRegistration[]> {
  const { stdout } = await execa('chroot', ['/server', 'rpcinfo', '-p', address], { timeout: 10_000 });
  // `    100024    1   udp  52336  status`
  const lines = stdout.matchAll(/^ *(\d+) +(\d+) +(\S+) +(\d+)(?: +(\S+))?$/gm);
  return [...lines].map(([, number = '', version, protocol = '', port, program = number]) => ({
    program,
    version: Number(version),
    protocol,
    port: Number(port),
  }));
}

/** Whether the node's statd answers a call by way of the node's rpcbind: the check that finds every mix-up. */
export async function isStatdAnswering(timeoutSeconds = 5): Promise<boolean> {
  const call = ['/server', 'rpcinfo', '-u', '127.0.0.1', 'status', '1'];
  const { exitCode } = await execa('chroot', call, { reject: false, timeout: timeoutSeconds * 1000 });
  return exitCode === 0;
}
