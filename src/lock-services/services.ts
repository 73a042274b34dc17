import type { Host, ProcessInformation } from '../host/host.ts';
import { glusterfsPrograms, isProgram } from '../host/processes.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import { processesIn } from '../rootfs/root-processes.ts';

export type LockServiceRole = 'rpcbind' | 'statd';

/** A daemon that NFSv3 locks need. Its path and arguments are the manifest's, under `daemons.ROLE`. */
export interface LockService {
  readonly role: LockServiceRole;
  /** What people call it. */
  readonly title: string;
  /** A command of the rootfs that ends with 0 when the daemon answers; it may hang, and die of SIGKILL alone. */
  readonly question: readonly string[];
  /** The member of `LockServicesState` that says whether it does. */
  readonly answers: 'portmapperAnswers' | 'statdAnswers';
  /** Where several processes run it, which of them calls reach: the host's own, or the one of our rootfs. */
  readonly owner: 'host' | 'rootfs';
  /** The socket's port that tells it from whoever has only taken its name. */
  readonly port?: number;
  /** A line of sh that start-statd runs before it starts the daemon. */
  readonly beforeStart: string;
  /** Started with the guard's own connect(2), which goes to no abstract name. */
  readonly isGuarded?: boolean;
  readonly unit: string;
  /** The service without which it cannot run: when that starts anew, so does this. */
  readonly needs?: LockServiceRole;
  /** Units that a host may have for the same daemon. */
  readonly hostUnits: readonly string[];
}

/** Port 111 of rpc(5): sunrpc. */
export const portmapperPort = 111;

/** In the order in which they start. */
export const lockServices: readonly LockService[] = [
  {
    role: 'rpcbind',
    title: 'rpcbind',
    question: ['rpcinfo', '-n', String(portmapperPort), '-u', '127.0.0.1', '100000', '2'],
    answers: 'portmapperAnswers',
    // Ours has no place beside a host's.
    owner: 'host',
    port: portmapperPort,
    // Where -w keeps the registrations for a restart; rpcbind gives up root, hence the owner.
    beforeStart: '[ -d /run/rpcbind ] || { mkdir -m 0755 /run/rpcbind && chown _rpc /run/rpcbind; }',
    unit: 'containerized-mounter-rpcbind.service',
    hostUnits: ['rpcbind.service', 'rpcbind.socket'],
  },
  {
    role: 'statd',
    title: 'rpc.statd',
    // Finds every state in which a mount would succeed and flock(2) hang: rpcbind dead, registrations lost, statd
    // dead (each was tried). A list of processes finds none of them.
    question: ['rpcinfo', '-u', '127.0.0.1', 'status', '1'],
    answers: 'statdAnswers',
    owner: 'rootfs',
    beforeStart: 'notify_servers',
    isGuarded: true,
    unit: 'containerized-mounter-statd.service',
    needs: 'rpcbind',
    hostUnits: ['rpc-statd.service'],
  },
];

export function lockService(role: LockServiceRole): LockService {
  return lockServices.find((service) => service.role === role) as LockService;
}

/** A process of a rootfs of ours. */
export interface RootfsProcess extends ProcessInformation {
  readonly role: LockServiceRole | 'sm-notify' | 'glusterfs' | 'other';
}

/** The processes that run in one of `directories`, versions of the rootfs; symlinks are followed. */
export function rootfsProcesses(
  host: Host,
  directories: readonly string[],
  manifest: NodeSettings,
): readonly RootfsProcess[] {
  return processesIn(host, directories, host.processes()).map((process) => ({
    ...process,
    role: roleOf(process, manifest),
  }));
}

/** What a process is, by the name of its program. */
export function roleOf(process: ProcessInformation, { daemons }: NodeSettings): RootfsProcess['role'] {
  const service = lockServices.find(({ role }) => isProgram(process, [programName(daemons[role].path)]));
  if (service !== undefined) return service.role;
  // Tells silent servers of a reboot for 15 minutes.
  if (isProgram(process, ['sm-notify'])) return 'sm-notify';
  return isProgram(process, glusterfsPrograms) ? 'glusterfs' : 'other';
}

export function programName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
