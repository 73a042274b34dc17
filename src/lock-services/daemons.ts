import type { Host, ProcessInformation } from '../host/host.ts';
import { glusterfsPrograms, isProgram } from '../host/process-name.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import { processesInAny } from '../rootfs/root-processes.ts';

/** Which of the processes on the node run inside a rootfs of ours. */

export interface RootfsProcess extends ProcessInformation {
  readonly role: 'rpcbind' | 'statd' | 'sm-notify' | 'glusterfs' | 'other';
}

/**
 * The processes that run in one of `directories`.
 * @param directories versions of the rootfs; symlinks are followed.
 */
export function rootfsProcesses(
  host: Host,
  directories: readonly string[],
  manifest: NodeSettings,
): readonly RootfsProcess[] {
  return processesInAny(host, directories, host.processes()).map((process) => ({
    ...process,
    role: roleOf(process, manifest),
  }));
}

/** By the name of its program. */
export function roleOf(process: ProcessInformation, { daemons }: NodeSettings): RootfsProcess['role'] {
  if (isProgram(process, [baseName(daemons.rpcbind.path)])) return 'rpcbind';
  if (isProgram(process, [baseName(daemons.statd.path)])) return 'statd';
  // Tells silent servers of a reboot for 15 minutes.
  if (isProgram(process, ['sm-notify'])) return 'sm-notify';
  return isProgram(process, glusterfsPrograms) ? 'glusterfs' : 'other';
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
