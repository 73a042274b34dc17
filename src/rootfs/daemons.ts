import { type Host, isSameFile, type ProcessInformation } from '../host/host.ts';
import type { NodeSettings } from './manifest.ts';
import { rootStatus } from './root-processes.ts';

/** Which of the processes on the node run inside a rootfs of ours. */

export interface RootfsProcess extends ProcessInformation {
  readonly role: 'rpcbind' | 'statd' | 'sm-notify' | 'glusterfs' | 'other';
}

/**
 * The processes whose root directory is one of `directories`. The directories themselves are compared: in a
 * mount namespace of its own a rootfs is called `/`, and another directory may have the same path there.
 * @param directories versions of the rootfs; symlinks are followed.
 */
export function rootfsProcesses(
  host: Host,
  directories: readonly string[],
  manifest: NodeSettings,
): readonly RootfsProcess[] {
  const wanted = directories.map((directory) => host.stat(directory));
  return host
    .processes()
    .filter(({ pid }) => {
      const root = rootStatus(host, pid);
      return root !== undefined && wanted.some((directory) => isSameFile(root, directory));
    })
    .map((process) => ({ ...process, role: roleOf(process, manifest) }));
}

/** By the name of its program. */
export function roleOf(
  { commandLine }: ProcessInformation,
  { daemons }: NodeSettings,
): RootfsProcess['role'] {
  const program = baseName(commandLine[0] ?? '');
  if (program === baseName(daemons.rpcbind.path)) return 'rpcbind';
  if (program === baseName(daemons.statd.path)) return 'statd';
  // Tells silent servers of a reboot for 15 minutes.
  if (program === 'sm-notify') return 'sm-notify';
  return program === 'glusterfs' || program === 'glusterfsd' ? 'glusterfs' : 'other';
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
