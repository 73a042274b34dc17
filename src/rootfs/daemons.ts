import { type Host, isSameFile, type ProcessInformation } from '../host/host.ts';
import type { NodeSettings } from './manifest.ts';

/** Which of the processes on the node run inside a rootfs of ours. */

export interface RootfsProcess extends ProcessInformation {
  readonly role: 'rpcbind' | 'statd' | 'sm-notify' | 'glusterfs' | 'other';
}

/**
 * The processes whose root directory is a version below `versions`. The directory itself is compared: in
 * another mount namespace another directory may have the same path.
 * @param versions MOUNTER_HOME/versions, without symlinks.
 */
export function rootfsProcesses(
  host: Host,
  versions: string,
  manifest: NodeSettings,
): readonly RootfsProcess[] {
  return host
    .processes()
    .filter(
      ({ pid, root }) =>
        root?.startsWith(`${versions}/`) && isSameFile(host.stat(`/proc/${pid}/root/.`), host.stat(root)),
    )
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
