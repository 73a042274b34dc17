import { type Host, isSameFile, type ProcessInformation } from '../host/host.ts';
import { containingMount } from '../host/mount-tree.ts';
import { type MountEntry, parseMountinfo } from '../host/mountinfo.ts';
import { isRoots, processesNamed } from '../host/processes.ts';
import type { RunBounded } from '../host/run-bounded.ts';
import { helperNames } from '../mount/arguments/argv.ts';
import type { Layout } from '../node/layout.ts';
import { helperDirectories, helperState } from '../prepare/helper-links.ts';
import { processesOfViews } from '../rootfs/root-processes.ts';
import { mounterPathFlag } from '../units/kubelet-flag.ts';
import { type DoctorContext, localVolumeDirectories } from './context.ts';
import { type Judgement, ok, warning } from './finding.ts';

const kubeletPrograms: readonly string[] = ['kubelet', 'hyperkube'];

const commandLineMs = 1000;
/** A program for each: a container may have thousands of processes of that name. */
const mostKubelets = 8;

/** A kubelet, and the mounter that it was told to call; undefined where that is none. */
export interface KubeletOfNode {
  readonly pid: number;
  readonly mounter: string | undefined;
}

const asked = new WeakMap<DoctorContext, Promise<readonly KubeletOfNode[]>>();

/** Those whose arguments could be read; they are once in an examination. */
export function kubeletsOfNode(context: DoctorContext): Promise<readonly KubeletOfNode[]> {
  const answer = asked.get(context) ?? askKubelets(context);
  asked.set(context, answer);
  return answer;
}

async function askKubelets({ host, runBounded }: DoctorContext): Promise<readonly KubeletOfNode[]> {
  const kubelets = await Promise.all(
    kubeletProcesses(host).map(async ({ pid }) => ({
      pid,
      commandLine: await commandLineOf(pid, host, runBounded),
    })),
  );
  return kubelets
    .filter(({ commandLine }) => commandLine !== '')
    .map(({ pid, commandLine }) => ({ pid, mounter: mounterOf(commandLine) }));
}

/** The first few that root runs; those that see the host's processes before all in containers. */
export function kubeletProcesses(host: Host): readonly ProcessInformation[] {
  const kubelets = processesNamed(kubeletPrograms).filter(({ pid }) => isRoots(pid));
  const own = host.stat('/proc/self/ns/pid');
  const isNodes = ({ pid }: ProcessInformation) => isSameFile(own, host.stat(`/proc/${pid}/ns/pid`));
  const nodes = kubelets.filter(isNodes);
  return [...nodes, ...kubelets.filter((one) => !nodes.includes(one))].slice(0, mostKubelets);
}

/**
 * A process that has a name of kubelet's may be anybody's, who can keep a reader of its command line waiting.
 * @returns its words, each with a zero byte behind it; '' where it has ended, or does not let it be read in time.
 */
export async function commandLineOf(pid: number, host: Host, runBounded: RunBounded): Promise<string> {
  const answer = await runBounded([host.findProgram('cat'), `/proc/${pid}/cmdline`], commandLineMs);
  return answer?.status === 0 ? answer.output : '';
}

/** @param commandLine as /proc/PID/cmdline has it. The last of the flags counts; one dash will do. */
export function mounterOf(commandLine: string): string | undefined {
  const words = commandLine.replace(/(?<=(?:^|\0)-{1,2}experimental-mounter-path)\0/g, '=').split('\0');
  return words.flatMap((word) => /^-{1,2}experimental-mounter-path=(.*)$/s.exec(word)?.[1] ?? []).at(-1);
}

/** Whether kubelet calls the mounter, and what it mounts, and unmounts, is mounted and unmounted on the host. */
export async function checkKubelet(context: DoctorContext): Promise<readonly Judgement[]> {
  return [...checkNamespaces(context), ...judgeCalls(await kubeletsOfNode(context), context)];
}

/** One in an image has the image's own helpers. Where mount(8) has ours, no kubelet needs the flag. */
function judgeCalls(
  kubelets: readonly KubeletOfNode[],
  { host, layout, manifest }: Pick<DoctorContext, 'host' | 'layout' | 'manifest'>,
): readonly Judgement[] {
  const offered = helperNames.filter(
    (name) => manifest.filesystems[name.slice('mount.'.length)] !== undefined,
  );
  if (offered.every((name) => helperState(name, layout, helperDirectories).kind === 'ours')) return [];
  const ofImages = processesOfViews(host, processesNamed(kubeletPrograms)).map(({ pid }) => pid);
  return kubelets
    .filter(({ pid }) => !ofImages.includes(pid))
    .map(({ pid, mounter }) => judgeCall(pid, mounter, layout));
}

function judgeCall(pid: number, mounter: string | undefined, { executable }: Layout): Judgement {
  const subject = `kubelet (process ${pid})`;
  if (mounter === executable) return ok(subject, 'calls the mounter');
  const message =
    mounter === undefined ? `has no ${mounterPathFlag}` : `calls ${mounter} by ${mounterPathFlag}`;
  return warning(
    subject,
    `${message}: its mounts never come to ${executable}`,
    'run mounter unit kubelet-flag --install, or mounter install --helpers, then systemctl restart kubelet',
  );
}

function checkNamespaces({ host, manifest, entries }: DoctorContext): readonly Judgement[] {
  const directories = localVolumeDirectories({ manifest, entries });
  const own = host.stat('/proc/self/ns/mnt');
  // A process in a user namespace of its own is no kubelet, and may have made any number of mounts.
  const kubelets = kubeletProcesses(host).filter(({ root }) => root !== undefined);
  return kubelets.flatMap(({ pid }) => {
    const theirs = host.stat(`/proc/${pid}/ns/mnt`);
    if (theirs === undefined) return []; // It has ended.
    const text = isSameFile(own, theirs) ? undefined : host.readText(`/proc/${pid}/mountinfo`);
    return directories.map((directory) =>
      judgeKubelet(pid, directory.host, text === undefined ? entries : parseMountinfo(text), entries),
    );
  });
}

/**
 * @param directory without symlinks; a container has it under the same name.
 * @param entries of kubelet's mount namespace.
 * @param hostEntries of the host's.
 */
export function judgeKubelet(
  pid: number,
  directory: string,
  entries: readonly MountEntry[],
  hostEntries: readonly MountEntry[],
): Judgement {
  const subject = `kubelet (process ${pid})`;
  if (entries === hostEntries) return ok(subject, "mounts in the host's mount namespace");
  const [theirs, ours] = [entries, hostEntries].map((some) => containingMount(some, directory).peerGroup);
  if (theirs !== undefined && theirs === ours)
    return ok(subject, `has a mount namespace of its own, and shares ${directory} with the host`);
  return warning(
    subject,
    `has a mount namespace of its own: what it mounts or unmounts in ${directory} does not reach the host`,
    'take PrivateTmp=, ProtectSystem= and the like out of its unit; a container needs the directory :rshared',
  );
}
