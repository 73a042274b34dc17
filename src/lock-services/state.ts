import type { Host, ProcessInformation } from '../host/host.ts';
import type { Layout } from '../node/layout.ts';
import { versionDirectories } from '../node/version-directories.ts';
import { roleOf, rootfsProcesses } from './daemons.ts';
import { type ListeningAddresses, listeningSockets, readListeningAddresses } from './listening-addresses.ts';
import { type LockServicesContext, lockServicesAnswer, rpcinfo } from './lock-services.ts';

/** What rpcbind and rpc.statd of this node are doing; only root can see all of it. */
export interface LockServicesState {
  readonly rpcbind: LockDaemon | null;
  readonly statd: LockDaemon | null;
  /** rpcbind answers a call to the portmapper at 127.0.0.1. */
  readonly portmapperAnswers: boolean;
  /** rpcbind has rpc.statd on its list; whether that runs is another matter. */
  readonly statdRegistered: boolean;
  /** rpcbind knows rpc.statd, and rpc.statd answers: locks work. */
  readonly statdAnswers: boolean;
  /** Any further rpcbind on this network: with two, some calls reach the one that knows nothing. */
  readonly surplusRpcbinds: readonly LockDaemon[];
  /** On which addresses port 111 is open, by TCP or UDP. */
  readonly listening: ListeningAddresses;
  /** The same by UDP, whose senders can be forged: what policy.portmapper can restrict. */
  readonly listeningByUdp: ListeningAddresses;
}

/** A process that serves this network namespace: of a rootfs of ours, or anybody else's. */
export interface LockDaemon {
  readonly pid: number;
  readonly owner: 'rootfs' | 'host';
}

/**
 * Asks all at once, each question within its limit of 3 s; starts and mends nothing.
 * @throws MounterError (interrupted) when a signal ends us.
 */
export async function observeLockServices(context: LockServicesContext): Promise<LockServicesState> {
  const [portmapper, list, statdAnswers] = await Promise.all([
    rpcinfo(context, '-n', '111', '-u', '127.0.0.1', '100000', '2'),
    rpcinfo(context, '-p', '127.0.0.1'),
    lockServicesAnswer(context),
  ]);
  return {
    ...findLockDaemons(context),
    portmapperAnswers: portmapper.answers,
    statdRegistered: list.answers && isStatdRegistered(list.output),
    statdAnswers,
    listening: readListeningAddresses(context.host, portmapperPort, protocols),
    listeningByUdp: readListeningAddresses(context.host, portmapperPort, ['udp', 'udp6']),
  };
}

/** Port 111 of rpc(5): sunrpc. */
const portmapperPort = 111;
const protocols = ['tcp', 'tcp6', 'udp', 'udp6'];

/**
 * ```
 *    program vers proto   port  service
 *     100024    1   udp  52336  status
 * ```
 */
function isStatdRegistered(list: string): boolean {
  return /^ *100024 /m.test(list);
}

/** A host's rpcbind comes first: ours has no place beside it. Of two rpc.statds ours is the one that answers. */
function findLockDaemons({
  host,
  layout,
  manifest,
}: LockServicesContext): Pick<LockServicesState, 'rpcbind' | 'statd' | 'surplusRpcbinds'> {
  const processes = host.processes().filter(({ isInOurNetwork }) => isInOurNetwork);
  const own = new Set(ownPids(host, layout, manifest, processes));
  const sockets = new Set(listeningSockets(host, portmapperPort, protocols).map(({ inode }) => inode));
  const daemons = (wanted: 'rpcbind' | 'statd', first: LockDaemon['owner']): readonly LockDaemon[] =>
    processes
      .filter((process) => roleOf(process, manifest) === wanted)
      .filter(({ pid }) => wanted === 'statd' || own.has(pid) || holdsSocket(host, pid, sockets))
      .map(({ pid }): LockDaemon => ({ pid, owner: own.has(pid) ? 'rootfs' : 'host' }))
      .sort((a, b) => Number(b.owner === first) - Number(a.owner === first));
  const [rpcbind = null, ...surplusRpcbinds] = daemons('rpcbind', 'host');
  return { rpcbind, statd: daemons('statd', 'rootfs')[0] ?? null, surplusRpcbinds };
}

/** More than an rpcbind opens before its sockets; a stranger may have a million. */
const looked = 256;

/** Anybody may call a process rpcbind; only root's has a socket of this port. */
function holdsSocket(host: Host, pid: number, inodes: ReadonlySet<string>): boolean {
  const name = /^socket:\[(\d+)\]$/;
  for (let fd = 0; inodes.size > 0 && fd < looked; fd += 1) {
    const inode = name.exec(linkOf(host, `/proc/${pid}/fd/${fd}`) ?? '')?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}

/** It may have ended meanwhile. */
function linkOf(host: Host, path: string): string | undefined {
  try {
    return host.readLink(path);
  } catch {
    return undefined;
  }
}

/** Found before, and looked at once: reading /proc is the most of what `status` costs. */
function ownPids(
  host: Host,
  layout: Layout,
  manifest: LockServicesContext['manifest'],
  processes: readonly ProcessInformation[],
): readonly number[] {
  const once: Host = { ...host, processes: () => processes };
  return rootfsProcesses(once, [layout.rootfs, ...versionDirectories(layout)], manifest).map(
    ({ pid }) => pid,
  );
}
