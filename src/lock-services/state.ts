import type { Host } from '../host/host.ts';
import { versionDirectories } from '../node/version-directories.ts';
import { processesIn } from '../rootfs/root-processes.ts';
import { type ListeningAddresses, listeningSockets, readListeningAddresses } from './listening-addresses.ts';
import { askInRootfs, type LockServicesContext } from './lock-services.ts';
import { type LockService, type LockServiceRole, lockServices, portmapperPort, roleOf } from './services.ts';

type Daemons = Readonly<Record<LockServiceRole, LockDaemon | null>>;
/** `portmapperAnswers`: rpcbind answers a call at 127.0.0.1; `statdAnswers`: it knows rpc.statd, which answers. */
type Answers = Readonly<Record<LockService['answers'], boolean>>;

/** What rpcbind and rpc.statd of this node are doing; only root can see all of it. */
export interface LockServicesState extends Daemons, Answers {
  /** rpcbind has rpc.statd on its list; whether that runs is another matter. */
  readonly statdRegistered: boolean;
  /** Any further rpcbind on this network: with two, some calls reach the one that knows nothing. */
  readonly surplusRpcbinds: readonly LockDaemon[];
  /** On which addresses port 111 is open, by TCP or UDP. */
  readonly listening: ListeningAddresses;
  /** On which addresses it is open by UDP, whose senders can be forged: policy.portmapper can restrict those. */
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
  const listening = readListeningAddresses(context.host, portmapperPort, protocols);
  // Nobody can answer where nothing listens.
  const ask = async (argv: readonly string[]) =>
    listening === 'nowhere' ? { answers: false, output: '' } : await askInRootfs(argv, context);
  const [list, ...answers] = await Promise.all([
    ask(['rpcinfo', '-p', '127.0.0.1']),
    ...lockServices.map(async ({ question, answers }) => [answers, (await ask(question)).answers]),
  ]);
  return {
    ...findLockDaemons(context),
    ...(Object.fromEntries(answers) as Answers),
    statdRegistered: list.answers && isStatdRegistered(list.output),
    listening,
    listeningByUdp: readListeningAddresses(context.host, portmapperPort, ['udp', 'udp6']),
  };
}

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

function findLockDaemons({
  host,
  layout,
  manifest,
}: LockServicesContext): Daemons & Pick<LockServicesState, 'surplusRpcbinds'> {
  const processes = host.processes().filter(({ isInOurNetwork }) => isInOurNetwork);
  const versions = [layout.rootfs, ...versionDirectories(layout)];
  const own = new Set(processesIn(host, versions, processes).map(({ pid }) => pid));
  const found = lockServices.map(({ role, owner: first, port }) => {
    const inodes = port === undefined ? undefined : socketsOf(host, port);
    const daemons = processes
      .filter((process) => roleOf(process, manifest) === role)
      .filter(({ pid }) => inodes === undefined || own.has(pid) || holdsSocket(host, pid, inodes))
      .map(({ pid }): LockDaemon => ({ pid, owner: own.has(pid) ? 'rootfs' : 'host' }))
      .sort((a, b) => Number(b.owner === first) - Number(a.owner === first));
    return [role, daemons] as const;
  });
  return {
    ...(Object.fromEntries(found.map(([role, [first = null]]) => [role, first])) as Daemons),
    surplusRpcbinds: found.find(([role]) => role === 'rpcbind')?.[1].slice(1) ?? [],
  };
}

function socketsOf(host: Host, port: number): ReadonlySet<string> {
  return new Set(listeningSockets(host, port, protocols).map(({ inode }) => inode));
}

/** More than an rpcbind opens before its sockets; a stranger may have a million. */
const looked = 256;

/** Anybody may call a process rpcbind; only root's has a socket of a port such as 111. */
function holdsSocket(host: Host, pid: number, inodes: ReadonlySet<string>): boolean {
  const name = /^socket:\[(\d+)\]$/;
  for (let fd = 0; inodes.size > 0 && fd < looked; fd += 1) {
    const inode = name.exec(linkOf(host, `/proc/${pid}/fd/${fd}`) ?? '')?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}

/** @returns undefined where the process has ended meanwhile. */
function linkOf(host: Host, path: string): string | undefined {
  try {
    return host.readLink(path);
  } catch {
    return undefined;
  }
}
