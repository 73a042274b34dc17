import type { Host, ProcessInformation } from '../host/host.ts';
import { glusterfsPrograms, isProgram } from '../host/processes.ts';
import type { Daemons } from '../manifest/manifest.ts';
import { processesIn } from '../rootfs/root-processes.ts';

/**
 * The daemons that mounts need on this node, in one table: who starts, asks, replaces, ends and shows them goes by its
 * rows, and knows none of them by name. What of a mount needs which of them is a driver's to say.
 */

/** What of a mount needs a service: locks of NFSv3, `sec=krb5`, the names of users with that in NFSv4, `xprtsec=tls`. */
export type Purpose = 'locks' | 'kerberos' | 'names' | 'tls';

export type ServiceRole = LockRole | 'gssd' | 'idmapd' | 'tlshd';
export type LockRole = 'rpcbind' | 'statd';

/** A daemon. Its path and arguments are the manifest's, under `daemons.ROLE`. */
export interface Service {
  readonly role: ServiceRole;
  readonly purpose: Purpose;
  /** What people call it; the name of its program as well. */
  readonly title: string;
  /** A command of the rootfs that ends with 0 when the daemon answers; it may hang, and die of SIGKILL alone. */
  readonly question: readonly string[];
  readonly unit: string;
  /** The service without which it cannot run: when that starts anew, so does this. */
  readonly needs?: ServiceRole;
  /** Units that a host may have for the same daemon. */
  readonly hostUnits: readonly string[];
  /** Capabilities that it takes, and others do not. */
  readonly capabilities?: string;
}

/** One for NFSv3 locks. */
export interface LockService extends Service {
  readonly role: LockRole;
  /** The member of `LockServicesState` that says whether it answers. */
  readonly answers: 'portmapperAnswers' | 'statdAnswers';
  /** Where several processes run it, which of them calls reach: the host's own, or the one of our rootfs. */
  readonly owner: 'host' | 'rootfs';
  /** The socket's port that tells it from whoever has only taken its name. */
  readonly port?: number;
}

/** Port 111 of rpc(5): sunrpc. */
export const portmapperPort = 111;

/** In the order in which they start. mount.nfs has them started without a name: they are what start-statd is for. */
export const lockServices: readonly LockService[] = [
  {
    role: 'rpcbind',
    purpose: 'locks',
    title: 'rpcbind',
    question: ['rpcinfo', '-n', String(portmapperPort), '-u', '127.0.0.1', '100000', '2'],
    answers: 'portmapperAnswers',
    // Ours has no place beside a host's.
    owner: 'host',
    port: portmapperPort,
    unit: 'containerized-mounter-rpcbind.service',
    hostUnits: ['rpcbind.service', 'rpcbind.socket'],
  },
  {
    role: 'statd',
    purpose: 'locks',
    title: 'rpc.statd',
    // Finds every state in which a mount would succeed and flock(2) hang: rpcbind dead, registrations lost, statd
    // dead (each was tried). A list of processes finds none of them.
    question: ['rpcinfo', '-u', '127.0.0.1', 'status', '1'],
    answers: 'statdAnswers',
    owner: 'rootfs',
    unit: 'containerized-mounter-statd.service',
    needs: 'rpcbind',
    hostUnits: ['rpc-statd.service'],
  },
];

/**
 * Whether root runs that program for this network, be it the host's or ours, and it is not stopped; and `has`, a command
 * of sh about the directory of /proc that is `$process`. Nothing can be asked of the kernel's own helpers. Anybody may run
 * a thousand processes of that name, so no command is run for each; or a setuid program under it, such as sudo, which
 * asks for a password then. An emulator's name is no program's.
 */
const runs = `cd /proc
named=$(grep -lx "$1" [0-9]*/comm | sed 's/comm$/status/')
for file in \${named:+$(grep -lE '^Uid:.0.0' $named)}; do
  process=/proc/\${file%/status}
  [ $process/ns/net -ef /proc/self/ns/net ] || continue
  [ ! -e /proc/self/ns/user ] || [ $process/ns/user -ef /proc/self/ns/user ] || continue
  case $(readlink $process/exe) in */"$1" | */"$1 (deleted)" | */qemu-*) ;; *) continue ;; esac
  grep -q "^State:.[RSDI]" $process/status && eval "$2" && exit
done 2>/dev/null
exit 1`;

function runsQuestion(program: string, has = ':'): readonly string[] {
  return ['sh', '-c', runs, 'sh', program, has];
}

/** Started by a mount that asks for them, or is refused for want of them. A rootfs may have none of them. */
export const securityServices: readonly Service[] = [
  {
    role: 'gssd',
    purpose: 'kerberos',
    title: 'rpc.gssd',
    // The kernel takes whoever has this pipe open for the one that gets tickets. @see gssd_running() in the kernel
    question: runsQuestion('rpc.gssd', 'ls -l $process/fd | grep -q "/gssd/clnt[^/]*/gssd$"'),
    unit: 'containerized-mounter-gssd.service',
    hostUnits: ['rpc-gssd.service'],
  },
  {
    role: 'idmapd',
    purpose: 'names',
    title: 'rpc.idmapd',
    // With Kerberos, NFSv4 has users by their names. The kernel asks request-key(8) of the host for them, then this.
    question: runsQuestion('rpc.idmapd'),
    unit: 'containerized-mounter-idmapd.service',
    hostUnits: ['nfs-idmapd.service'],
  },
  {
    role: 'tlshd',
    purpose: 'tls',
    title: 'tlshd',
    // The kernel asks whoever has joined its group of generic netlink, and libnl makes the socket's number of the pid.
    // With CAP_NET_ADMIN, bit 12: the kernel asks no other.
    question: runsQuestion(
      'tlshd',
      `grep -Eq '^CapEff:.*[13579bdf][0-9a-f]{3}$' $process/status && awk -v pid=\${process#/proc/} '$2 == 16 && $3 % 4194304 == pid && $5 == 0 { found = 1 } END { exit !found }' /proc/net/netlink`,
    ),
    unit: 'containerized-mounter-tlshd.service',
    hostUnits: ['tlshd.service'],
    // The kernel hands handshakes to nobody without the first; by the second it is not the one that ends for want of memory.
    capabilities: 'CAP_NET_ADMIN CAP_SYS_RESOURCE',
  },
];

export const services: readonly Service[] = [...lockServices, ...securityServices];

/**
 * Whether its rights are root's, and were so before it was run: anybody may give a process any name, and so run a setuid
 * program, too.
 * @param status the text of /proc/PID/status
 */
export function hasRootsRights(status: string | undefined): boolean {
  return /^Uid:\t0\t0\t/m.test(status ?? '');
}

export function serviceOf(role: ServiceRole): Service {
  return services.find((service) => service.role === role) as Service;
}

/** In the order in which they start. */
export function servicesFor(purpose: Purpose): readonly Service[] {
  return services.filter((service) => service.purpose === purpose);
}

/** A process of a rootfs of ours. */
export interface RootfsProcess extends ProcessInformation {
  readonly role: ServiceRole | 'keeper' | 'sm-notify' | 'glusterfs' | 'other';
}

/** The processes that run in one of `directories`, versions of the rootfs; symlinks are followed. */
export function rootfsProcesses(
  host: Host,
  directories: readonly string[],
  settings: { readonly daemons: Daemons },
): readonly RootfsProcess[] {
  return processesIn(host, directories, host.processes()).map((process) => ({
    ...process,
    role: roleOf(process, settings),
  }));
}

/** What a process is, by the name of its program. */
export function roleOf(
  process: ProcessInformation,
  settings: { readonly daemons: Daemons },
): RootfsProcess['role'] {
  const service = services.find(({ role }) => isProgram(process, [programName(role, settings)]));
  if (service !== undefined) return service.role;
  // Tells silent servers of a reboot for 15 minutes.
  if (isProgram(process, ['sm-notify'])) return 'sm-notify';
  if (process.name === keeperName) return 'keeper';
  return isProgram(process, glusterfsPrograms) ? 'glusterfs' : 'other';
}

/** What a shell calls itself that starts tlshd again when it ends. */
export const keeperName = 'tlshd-keeper';

/** A mount's settings name those for locks alone. */
export function programName(role: ServiceRole, { daemons }: { readonly daemons: Daemons }): string {
  const path = daemons[role]?.path ?? serviceOf(role).title;
  return path.slice(path.lastIndexOf('/') + 1);
}
