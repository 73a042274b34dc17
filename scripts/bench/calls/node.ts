import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, openSync } from 'node:fs';
import { copyFile, mkdir, readFile, realpath, rename } from 'node:fs/promises';
import { execa } from 'execa';
import { writeTreeRecord } from '../../../src/image/versions/tree-record.ts';
import { type EnterMode, setEnter } from '../../../test/support/node/enter-mode.ts';
import { distDirectory, repository } from '../../paths.ts';
import { type BenchPrograms, benchDirectory } from './programs.ts';

/**
 * A node to measure on: installed and prepared by mounter itself, in the mount namespace of this process. The
 * directories it writes to are covered first, so that the machine's own stay as they are, and all of it goes
 * with the namespace.
 */
export interface BenchNode {
  /** Of a process in its mount namespace. */
  readonly pid: number;
  /** MOUNTER_HOME */
  readonly home: string;
  readonly rootfs: string;
  /** A kubelet's target, below the shared directory, with nothing mounted on it. */
  readonly target: string;
}

const coveredDirectories = ['/var/lib', '/var/log', '/run'] as const;
export const kubeletDirectory = '/var/lib/kubelet';
const target = `${kubeletDirectory}/pods/5d0c7a3e-1b52-4f3c-8a57-2f6f0d1c9e44/volumes/kubernetes.io~nfs/bench`;

/**
 * @param mounter argv that runs mounter: the executable, or node and src/main.ts. A program file named
 *   `mounter` installs itself into MOUNTER_HOME.
 * @param enter what the node’s own settings are to say of it; the manifest’s if left out.
 * @throws ExecaError with mounter's or mount(8)'s own words.
 */
export async function makeNode(
  mounter: readonly string[],
  programs: BenchPrograms,
  enter?: EnterMode,
): Promise<BenchNode> {
  await coverDirectories();
  const scratch = `${benchDirectory}/node`;
  await mkdir(scratch, { recursive: true });
  await execa('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', scratch]);
  const home = `${scratch}/containerized_mounter`;
  const [program = '', ...args] = mounter;
  const env = { MOUNTER_HOME: home };
  await execa(program, [...args, 'install', `${distDirectory}/rootfs.tar.zst`], { env });
  if (enter !== undefined) await setEnter(home, enter);
  const rootfs = `${home}/rootfs`;
  await replaceHelper(`${rootfs}/usr/sbin/mount.nfs`, programs.standIn);
  // It is no damage of the rootfs: status and doctor are measured on a node that is whole.
  await writeTreeRecord(await realpath(rootfs));
  await execa(program, [...args, 'prepare'], { env });
  return { pid: process.pid, home, rootfs, target: await makeTarget() };
}

/** argv that runs `argv` in the mount namespace of a node. */
export function inNode({ pid }: BenchNode, argv: readonly string[]): readonly [string, ...string[]] {
  return ['nsenter', `--mount=/proc/${pid}/ns/mnt`, '--', ...argv];
}

/** The node lies in memory; the executables are to be read from disk where that is measured. */
export async function placeOnDisk(home: string): Promise<void> {
  for (const name of ['mounter', 'mounter-full']) {
    if (!existsSync(`${home}/${name}`)) continue;
    const onDisk = `${benchDirectory}/on-disk-${name}`;
    await copyFile(`${home}/${name}`, onDisk);
    await execa('mount', ['--bind', onDisk, `${home}/${name}`]);
  }
}

export async function makeTarget(): Promise<string> {
  await mkdir(target, { recursive: true });
  return target;
}

/** The repository stays where it is, also where it lies below one of them (a build user's home in /var/lib). */
export async function coverDirectories(): Promise<void> {
  const held = openSync(repository, 'r');
  for (const directory of coveredDirectories) {
    await execa('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', directory]);
  }
  if (!existsSync(repository)) {
    await mkdir(repository, { recursive: true });
    await execa('mount', ['--no-canonicalize', '--rbind', `/proc/${process.pid}/fd/${held}`, repository]);
  }
  closeSync(held);
}

export async function replaceHelper(helper: string, standIn: string): Promise<void> {
  const unfinished = `${helper}.${randomUUID()}`;
  await copyFile(standIn, unfinished);
  await rename(unfinished, helper);
}

/**
 * Mounts the volumes `from` to `to` - 1 of other pods on the node.
 * @returns whether all could be mounted: fs.mount-max limits the entries of a mount namespace.
 */
export async function fillVolumes(
  node: BenchNode,
  programs: BenchPrograms,
  from: number,
  to: number,
): Promise<boolean> {
  const fill = [programs.standIn, '--fill', kubeletDirectory, String(from), String(to)];
  const [program, ...args] = inNode(node, fill);
  const { failed, stderr } = await execa(program, args, { reject: false });
  if (failed && !stderr.includes('No space left on device')) throw new Error(stderr);
  return !failed;
}

/**
 * `install` places the executable in MOUNTER_HOME when it has its name; one to compare with may have another.
 * On disk, so that it can be read from there.
 */
export async function namedMounter(executable: string): Promise<string> {
  const directory = `${benchDirectory}/executable`;
  await mkdir(directory, { recursive: true });
  if (
    (await readFile(executable)).compare(
      await readFile(`${directory}/mounter`).catch(() => Buffer.alloc(0)),
    ) !== 0
  )
    await replaceHelper(`${directory}/mounter`, executable);
  return `${directory}/mounter`;
}
