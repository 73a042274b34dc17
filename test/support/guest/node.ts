import './guest.ts';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import type { MountEntry } from '../../../src/host/mountinfo.ts';
import { type EnterMode, setEnter } from '../node/enter-mode.ts';
import { readMountsFrom } from './mountinfo.ts';
import { killRpcProcesses } from './rpc.ts';

/** The guest as a node that kubelet uses: the compiled executable, installed and prepared. */

export const home = '/home/kubernetes/containerized_mounter';
export const kubeletDirectory = '/var/lib/kubelet';

/** How a call ended, as kubelet sees it: the status, and stdout and stderr in one. */
export interface Call {
  readonly status: number | undefined;
  readonly output: string;
  readonly milliseconds: number;
}

/** Calls `mounter` and waits, as kubelet does, until nobody holds the pipe any more. */
export async function mounter(...argv: readonly string[]): Promise<Call> {
  return call(`${home}/mounter`, argv);
}

async function call(
  program: string,
  argv: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Call> {
  const started = performance.now();
  const result = await execa(program, argv, {
    reject: false,
    all: true,
    stdin: 'ignore',
    env: environment,
    timeout: 300_000,
    stripFinalNewline: false,
  });
  return {
    status: result.exitCode,
    output: result.all,
    milliseconds: Math.round(performance.now() - started),
  };
}

/** Installs and prepares, whatever was there before. @param enter in place of what the settings say. */
export async function installAndPrepare(enter?: EnterMode): Promise<void> {
  // They outlive an install.
  await rm(`${home}/node-settings.json`, { force: true });
  await mustSucceed('/host/dist/mounter', 'install', '/host/dist/rootfs.tar.zst');
  if (enter !== undefined) await setEnter(home, enter);
  await mustSucceed(`${home}/mounter`, 'prepare');
}

/** @throws Error with its output. */
export async function mustSucceed(program: string, ...argv: readonly string[]): Promise<void> {
  const { status, output } = await call(program, argv);
  if (status !== 0) throw new Error(output);
}

/** As kubelet calls it for an NFS volume. @param options '' for none. */
export function mountNfs(source: string, target: string, options: string): Promise<Call> {
  return mounter('mount', '-t', 'nfs', ...(options === '' ? [] : ['-o', options]), source, target);
}

/** The same, with other limits in the manifest. */
export async function mountWithLimits(
  limits: Readonly<Record<string, number>>,
  ...argv: readonly string[]
): Promise<Call> {
  const manifest = JSON.parse(await readFile(`${home}/rootfs-manifest.json`, 'utf8'));
  const path = '/tmp/manifest-with-limits.json';
  await writeFile(path, JSON.stringify({ ...manifest, limits: { ...manifest.limits, ...limits } }));
  return call(`${home}/mounter`, ['mount', ...argv], { MOUNTER_MANIFEST: path });
}

let targets = 0;

/** A new empty directory where kubelet would mount an NFS volume. */
export async function newTarget(): Promise<string> {
  targets += 1;
  const target = `${kubeletDirectory}/pods/7a5c-${targets}/volumes/kubernetes.io~nfs/volume`;
  await mkdir(target, { recursive: true });
  return target;
}

/** How many entries of the host's mountinfo one volume costs: a rootfs on the host sees it once more. */
export const entriesPerVolume =
  JSON.parse(readFileSync('/host/rootfs-manifest.json', 'utf8')).enter === 'chroot' ? 2 : 1;

/** The lines of mountinfo that one volume costs: on the host, and in a rootfs on the host. */
export async function entriesOf(target: string): Promise<readonly MountEntry[]> {
  return (await readMountsFrom('/')).filter(({ mountPoint }) => mountPoint.endsWith(target));
}

/** No volumes and no lock services: what a node is after its boot. */
export async function unmountAll(): Promise<void> {
  const volumes = (await readMountsFrom(kubeletDirectory)).filter(
    ({ mountPoint }) => mountPoint !== kubeletDirectory,
  );
  for (const { mountPoint } of volumes)
    await execa('umount', ['--force', '--lazy', mountPoint], { reject: false });
  await killRpcProcesses();
  for (const name of ['rpcbind', 'rpcbind.sock', 'rpcbind.lock', 'rpc.statd.pid'])
    await rm(`/run/${name}`, { recursive: true, force: true });
}
