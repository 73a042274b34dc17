import type { Host } from '../host/host.ts';
import { findDaemons, type ServiceDaemon } from './find-daemons.ts';
import {
  inodesOf,
  type ListeningAddresses,
  listeningSockets,
  readListeningAddresses,
} from './listening-addresses.ts';
import { askInRootfs, type ServicesContext } from './provide.ts';
import {
  hasRootsRights,
  type LockRole,
  type LockService,
  lockServices,
  portmapperPort,
  type Service,
  type ServiceRole,
  securityServices,
} from './services.ts';

type Daemons = Readonly<Record<LockRole, ServiceDaemon | null>>;
/** `portmapperAnswers`: rpcbind answers a call at 127.0.0.1; `statdAnswers`: it knows rpc.statd, which answers. */
type Answers = Readonly<Record<LockService['answers'], boolean>>;

/** What rpcbind and rpc.statd of this node are doing; only root can see all of it. */
export interface LockServicesState extends Daemons, Answers {
  /** rpcbind has rpc.statd on its list; whether that runs is another matter. */
  readonly statdRegistered: boolean;
  /** Any further rpcbind on this network: with two, some calls reach the one that knows nothing. */
  readonly surplusRpcbinds: readonly ServiceDaemon[];
  /** On which addresses port 111 is open, by TCP or UDP. */
  readonly listening: ListeningAddresses;
  /** On which addresses it is open by UDP, whose senders can be forged: policy.portmapper can restrict those. */
  readonly listeningByUdp: ListeningAddresses;
}

/**
 * Asks all at once, each question within its limit of 3 s; starts and mends nothing.
 * @throws MounterError (interrupted) when a signal ends us.
 */
export async function observeLockServices(context: ServicesContext): Promise<LockServicesState> {
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

/** A service that mounts with Kerberos or TLS need, and which runs for this network. */
export interface SecurityServiceState {
  readonly service: ServiceRole;
  /** Null where none runs: the first such mount starts it. */
  readonly daemon: ServiceDaemon | null;
  readonly answers: boolean;
}

/**
 * Each of the table, asked within 3 s where it runs.
 * @throws MounterError (interrupted) when a signal ends us.
 */
export async function observeSecurityServices(
  context: ServicesContext,
): Promise<readonly SecurityServiceState[]> {
  const { host } = context;
  const found = findDaemons(context, rolesOf(securityServices), (pid) =>
    hasRootsRights(host.readText(`/proc/${pid}/status`)),
  );
  return Promise.all(
    securityServices.map(async ({ role: service, question }) => {
      const daemon = daemonsOf(service, found)[0] ?? null;
      const answers = daemon !== null && (await askInRootfs(question, context)).answers;
      return { service, daemon, answers };
    }),
  );
}

function findLockDaemons(context: ServicesContext): Daemons & Pick<LockServicesState, 'surplusRpcbinds'> {
  const { host } = context;
  const all = findDaemons(context, rolesOf(lockServices));
  const found = lockServices.map(({ role, owner: first, port }) => {
    const inodes = port === undefined ? undefined : socketsOf(host, port);
    const daemons = daemonsOf(role, all)
      .filter(({ pid, owner }) => !inodes || owner === 'rootfs' || holdsSocket(host, pid, inodes))
      .sort((a, b) => Number(b.owner === first) - Number(a.owner === first));
    return [role, daemons] as const;
  });
  return {
    ...(Object.fromEntries(found.map(([role, [first = null]]) => [role, first])) as Daemons),
    surplusRpcbinds: found.find(([role]) => role === 'rpcbind')?.[1].slice(1) ?? [],
  };
}

function rolesOf(services: readonly Service[]): readonly ServiceRole[] {
  return services.map(({ role }) => role);
}

function daemonsOf(role: ServiceRole, all: ReturnType<typeof findDaemons>): readonly ServiceDaemon[] {
  return all.flatMap((one) => (one.role === role ? [{ pid: one.pid, owner: one.owner }] : []));
}

function socketsOf(host: Host, port: number): ReadonlySet<string> {
  return new Set(listeningSockets(host, port, protocols).map(({ inode }) => inode));
}

/** Anybody may call a process rpcbind; only root's has a socket of a port such as 111. */
function holdsSocket(host: Host, pid: number, inodes: ReadonlySet<string>): boolean {
  return inodes.size > 0 && [...inodesOf(host, pid)].some((inode) => inodes.has(inode));
}
