import type { Host, ProcessInformation } from '../host/host.ts';
import type { Manifest } from './manifest.ts';

/** Which of the processes on the node run inside a rootfs of ours. */

export interface RootfsProcess extends ProcessInformation {
  readonly role: 'rpcbind' | 'statd' | 'glusterfs' | 'other';
}

/**
 * The processes whose root directory is `root` or a version below `versions`.
 * @param versions MOUNTER_HOME/versions, without symlinks.
 */
export function rootfsProcesses(host: Host, versions: string, manifest: Manifest): readonly RootfsProcess[] {
  return host
    .processes()
    .filter(({ root }) => root?.startsWith(`${versions}/`))
    .map((process) => ({ ...process, role: roleOf(process, manifest) }));
}

function roleOf({ commandLine }: ProcessInformation, { daemons }: Manifest): RootfsProcess['role'] {
  const program = baseName(commandLine[0] ?? '');
  if (program === baseName(daemons.rpcbind.path)) return 'rpcbind';
  if (program === baseName(daemons.statd.path)) return 'statd';
  return program === 'glusterfs' || program === 'glusterfsd' ? 'glusterfs' : 'other';
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
