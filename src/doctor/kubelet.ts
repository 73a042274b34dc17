import { isSameFile } from '../host/host.ts';
import { containingMount } from '../host/mount-tree.ts';
import { type MountEntry, parseMountinfo } from '../host/mountinfo.ts';
import { processesNamed } from '../host/processes.ts';
import { type DoctorContext, localVolumeDirectories } from './context.ts';
import { type Judgement, ok, warning } from './finding.ts';

export const kubeletPrograms: readonly string[] = ['kubelet', 'hyperkube'];

/** Whether what kubelet mounts, and unmounts, is mounted and unmounted on the host. */
export function checkKubelet({ host, manifest, entries }: DoctorContext): readonly Judgement[] {
  const directories = localVolumeDirectories({ manifest, entries });
  const own = host.stat('/proc/self/ns/mnt');
  // A process in a user namespace of its own is no kubelet, and may have made any number of mounts.
  const kubelets = processesNamed(kubeletPrograms).filter(({ root }) => root !== undefined);
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
