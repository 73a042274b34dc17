import type { Host } from '../host/host.ts';
import type { Daemons } from '../manifest/manifest.ts';
import { type Layout, versionDirectories } from '../node/layout.ts';
import { processesIn } from '../rootfs/root-processes.ts';
import { roleOf, type ServiceRole } from './services.ts';

/** A process that serves this network namespace: of a rootfs of ours, or anybody else's. */
export interface ServiceDaemon {
  readonly pid: number;
  readonly owner: 'rootfs' | 'host';
}

/**
 * A host's own daemon is told by its program where that can be seen: a setuid one is root's process by any name.
 * @param isWanted asked before whose they are, which may take long of a stranger that has only taken the name.
 * @returns the processes of this network that have one of `roles`, by their names, with that role.
 */
export function findDaemons(
  { host, layout, manifest }: FindContext,
  roles: readonly ServiceRole[],
  isWanted: (pid: number) => boolean = () => true,
): readonly (ServiceDaemon & { readonly role: ServiceRole })[] {
  const named = host.processes().flatMap((process) => {
    const role = process.isInOurNetwork ? roles.find((one) => one === roleOf(process, manifest)) : undefined;
    return role === undefined || !isWanted(process.pid) ? [] : [{ ...process, role }];
  });
  if (named.length === 0) return [];
  // It may be of a version that was in use before: as long as it answers, it is as good.
  const versions = [layout.rootfs, ...versionDirectories(layout, host)];
  const own = new Set(processesIn(host, versions, named).map(({ pid }) => pid));
  return named.flatMap(({ role, ...process }) => {
    const owner = own.has(process.pid) ? 'rootfs' : 'host';
    const isRun = process.executable === undefined || roleOf({ ...process, name: '' }, manifest) === role;
    return owner === 'rootfs' || isRun ? [{ pid: process.pid, role, owner }] : [];
  });
}

interface FindContext {
  readonly host: Host;
  readonly layout: Layout;
  readonly manifest: { readonly daemons: Daemons };
}
