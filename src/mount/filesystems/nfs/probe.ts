import { lastOption, type MountOption, parseOptions } from '../../arguments/options.ts';
import type { MountContext } from '../../context.ts';
import { askServer } from '../../probe/ask-server.ts';
import { askPort, type Inquiry, portNumber } from '../../probe/inquiry.ts';
import { type ProbeAnswer, whenAllRefuse, whenAnyRefuses } from '../../probe/probe-failure.ts';
import type { Asked, FilesystemProbe } from '../filesystem-driver.ts';
import { requestedMajorVersion, requestedMountTransport, requestedTransport } from './options.ts';
import { registrationsAt, rpcProgram } from './registrations.ts';
import { nfsServer } from './source.ts';

export const nfsProbe: FilesystemProbe = (asked) => {
  const about = nfsQuestion(asked);
  return about && { about, ask: (inquiry) => askNfs(about, inquiry) };
};

const nfsPort = 2049;
const rpcbindPort = 111;

/** Where an NFS server is looked for. @see nfs(5) */
interface NfsPorts {
  /** Undefined: 2049 for v4, and for v3 what the server's rpcbind says. */
  readonly nfs: number | undefined;
  readonly mountd: number | undefined;
  /** Those for which mount.nfs asks rpcbind all the same: it was not told their transport. */
  readonly lookedUp: readonly ('nfs' | 'mountd')[];
  /** mountd is asked by UDP, or on another host: only the helper finds out. */
  readonly isMountdElsewhere: boolean;
}

/** What a mount asks an NFS server, and nothing that another mount might do otherwise. */
interface NfsQuestion {
  readonly server: string;
  /** Undefined when every version would be tried. */
  readonly version: string | undefined;
  readonly ports: NfsPorts | undefined;
  /** No `proto=` has chosen between IPv4 and IPv6. */
  readonly isFamilyFree: boolean;
}

function nfsQuestion({ fstype, source, options }: Asked): NfsQuestion | undefined {
  const server = nfsServer(source);
  if (server === undefined) return undefined;
  const version = requestedMajorVersion(fstype, options);
  const parsed = parseOptions(options);
  return { server, version, ports: portsOf(parsed), isFamilyFree: requestedTransport(parsed) === undefined };
}

/**
 * Whether the server can be reached in the way that these options take; without a version in every way that
 * mount.nfs would try. Undefined also where TCP says nothing about it: RDMA, UDP, `port=0`.
 */
function askNfs(
  { server, version, ports, isFamilyFree }: NfsQuestion,
  inquiry: Inquiry,
): Promise<ProbeAnswer> {
  const known = isToldByNode(inquiry.context) ? undefined : ports;
  const ask = (address: string, part: Inquiry) => askAddress(server, address, version, known, part);
  return askServer(server, ask, inquiry, isFamilyFree ? 'inOrder' : undefined);
}

/** nfsmount.conf may say where a server is, for each server and target, and mount.nfs alone can tell what counts. */
function isToldByNode({ host, layout }: MountContext): boolean {
  const path = `${layout.rootfs}/etc/nfsmount.conf`;
  const directory = `${path}.d`;
  const names = host.stat(directory)?.kind === 'directory' ? host.list(directory) : [];
  return [path, ...names.map((name) => `${directory}/${name}`)].some((file) => {
    const kind = host.lstat(file)?.kind;
    // What a link, a pipe or a device says cannot be known without waiting for it.
    if (kind !== 'file') return kind !== undefined;
    return /^[ \t]*((default)?(nfs)?vers|(default)?(mount)?proto|(mount)?(port|host|addr)|udp|rdma)\b[ \t]*=/im.test(
      host.readText(file) ?? '',
    );
  });
}

async function askAddress(
  server: string,
  address: string,
  version: string | undefined,
  ports: NfsPorts | undefined,
  inquiry: Inquiry,
): Promise<ProbeAnswer> {
  if (ports === undefined) return undefined;
  const version4 = () => askPort(server, address, ports.nfs ?? nfsPort, inquiry);
  const version3 = () => askVersion3(server, address, ports, inquiry);
  switch (version) {
    case '4':
      return version4();
    case '3':
      return version3();
    case undefined: {
      const [first, second] = await Promise.all([version4(), version3()]);
      // What v4 met is what the user has to mend.
      return whenAllRefuse([first, second]) === undefined ? undefined : first;
    }
    default:
      return undefined;
  }
}

/** Everything that a v3 mount needs: NFS and mountd, and rpcbind where a port is not given. */
async function askVersion3(
  server: string,
  address: string,
  ports: NfsPorts,
  inquiry: Inquiry,
): Promise<ProbeAnswer> {
  const { nfs, mountd, lookedUp, isMountdElsewhere } = ports;
  const given = [nfs, isMountdElsewhere ? undefined : mountd].filter((port) => port !== undefined);
  return whenAnyRefuses(
    await Promise.all([
      ...given.map((port) => askPort(server, address, port, inquiry)),
      ...(lookedUp.length > 0 ? [askRpcbind(server, address, ports, inquiry)] : []),
    ]),
  );
}

async function askRpcbind(
  server: string,
  address: string,
  ports: NfsPorts,
  inquiry: Inquiry,
): Promise<ProbeAnswer> {
  const refused = await askPort(server, address, rpcbindPort, inquiry);
  if (refused !== undefined) return refused;
  const registrations = await registrationsAt(address, inquiry);
  if (registrations === undefined) return undefined;
  const answers = ports.lookedUp.map(async (service): Promise<ProbeAnswer> => {
    const found = registrations.filter(
      ({ program, version, port }) =>
        program === rpcProgram[service] && version === 3 && port === (ports[service] ?? port),
    );
    if (found.length === 0) return { kind: 'notRegistered', server, service };
    const port = found.find(({ transport }) => transport === 'tcp')?.port;
    return port === undefined ? undefined : askPort(server, address, port, inquiry);
  });
  return whenAnyRefuses(await Promise.all(answers));
}

/** Undefined when a look at TCP ports would prove nothing. */
function portsOf(options: readonly MountOption[]): NfsPorts | undefined {
  const transport = requestedTransport(options);
  if (transport !== undefined && transport !== 'tcp') return undefined;
  const port = lastOption(options, 'port');
  const mountport = lastOption(options, 'mountport');
  const nfs = port === undefined ? undefined : portNumber(port.value ?? '');
  const mountd = mountport === undefined ? undefined : portNumber(mountport.value ?? '');
  if ((port !== undefined && nfs === undefined) || (mountport !== undefined && mountd === undefined))
    return undefined;
  const mountTransport = requestedMountTransport(options);
  const isMountdElsewhere =
    (mountTransport !== undefined && mountTransport !== 'tcp') ||
    lastOption(options, 'mountaddr', 'mounthost') !== undefined;
  const isNfsKnown = nfs !== undefined && transport !== undefined;
  const isMountdKnown =
    isMountdElsewhere || (mountd !== undefined && (mountTransport ?? transport) !== undefined);
  const lookedUp = [
    ...(isNfsKnown ? [] : (['nfs'] as const)),
    ...(isMountdKnown ? [] : (['mountd'] as const)),
  ];
  return { nfs, mountd, lookedUp, isMountdElsewhere };
}
