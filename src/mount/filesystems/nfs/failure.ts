import type { Host } from '../../../host/host.ts';
import { raiseLimit } from '../../../host/system-error.ts';
import { parseIpAddress } from '../../../ip-address.ts';
import { installAgain } from '../../../rootfs/entrance.ts';
import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { MountContext } from '../../context.ts';
import type { FailureTexts, HintFacts, NodeLack, Wording } from '../filesystem-driver.ts';
import { inRootfs, portOf, takeItOut, word } from '../hints.ts';
import { plainFailureTexts } from '../plain.ts';
import { isOfVersion3Alone, requestedTransport, requestedVersion } from './options.ts';
import { correctedSource, pathOf } from './source.ts';

/**
 * Of nfs-utils 1.2.8 to 2.8. mount.nfs's progname may be mount.nfs4; lately most lines end in ` for TARGET` or
 * ` for SOURCE on TARGET`.
 */
const nfsWordings: readonly Wording[] = [
  // utils/mount/stropts.c (nfs_verify_lock_option); until 1.3.3 with the line of EINVAL behind it
  {
    pattern: /rpc\.statd is not running|Either use '-o nolock'/,
    errorClass: 'lock-service',
  },
  // utils/mount/error.c (EINVAL); nfsmount.c, nfs4mount.c, network.c, stropts.c
  {
    pattern:
      /an incorrect mount option was specified|Unsupported nfs4? mount option|unknown nfs mount (option|parameter)|Bad nfs mount parameter|Unrecognized proto=|option parsing error|parsing error on '|invalid value for '|multiple version options|excessively long option|Invalid client address|unknown security type|(no|maximum number of) security flavors|Failed to find '.*' protocol|Please use '-t nfs4'/,
    errorClass: 'bad-option',
  },
  // utils/mount/parse_dev.c, stropts.c, nfs4mount.c
  {
    pattern:
      /remote share not in 'host:dir' format|directory to mount not in host:dir format|NFS URLs are not supported|closing bracket missing from server address|(server hostname|export pathname) is too long|excessively long host:dir|no device name was provided/,
    errorClass: 'usage',
  },
  // gai_strerror(3) of EAI_ADDRFAMILY: proto= or mountproto= is of IPv4, and the address of IPv6, or so
  {
    pattern: /Address family for hostname not supported/,
    errorClass: 'bad-option',
  },
  // utils/mount/stropts.c (EAI_AGAIN became EAGAIN, and is retried), network.c; gai_strerror(3)
  {
    pattern:
      /Failed to resolve server|DNS resolution failed|Name or service not known|Temporary failure in name resolution|No address associated with hostname|: Resource temporarily unavailable/,
    errorClass: 'name-resolution',
  },
  // utils/mount/error.c (EACCES, default: EPERM), nfsmount.c
  {
    pattern:
      /access denied by server|security flavor not supported|reason given by server:\s+Permission denied|mount(\.nfs4?)?: Operation not permitted/,
    errorClass: 'access-denied',
  },
  // utils/mount/error.c (ENOENT); with a line break in early 1.x; strerror(3) of ENAMETOOLONG
  {
    pattern: /reason given by server:\s+(No such file or directory|Not a directory)|: File name too long/,
    errorClass: 'no-such-export',
  },
  // utils/mount/error.c (EOPNOTSUPP; EPROTONOSUPPORT by default), nfsmount.c; clnt_sperrno(3)
  {
    pattern:
      /requested NFS version or transport protocol is not supported|: Protocol not supported|Program not registered|Program\/version mismatch|NFS (mount )?version \d+ is not supported/,
    errorClass: 'version-not-offered',
  },
  // utils/mount/error.c (ENOTDIR) since 2.x; the target was seen to be a directory
  {
    pattern: /mount spec .* or point .* is not a directory/,
    errorClass: 'no-such-export',
  },
  // utils/mount/error.c, mount.c (chk_mountpoint)
  {
    pattern: /mount point .* (does not exist|is not a directory)/,
    errorClass: 'mount-point',
  },
  // utils/mount/error.c (EBUSY); with "or sharecache fail" since 2.x
  {
    pattern: /is busy or already mounted|Device or resource busy/,
    errorClass: 'busy',
  },
  // strerror(3) of ESTALE, with "NFS" in older glibc; utils/mount/error.c by default
  {
    pattern: /Stale (NFS )?file handle/,
    errorClass: 'stale',
  },
  // strerror(3) of ECONNREFUSED
  { pattern: /Connection refused/, errorClass: 'connection-refused' },
  // strerror(3) of EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN; of EADDRNOTAVAIL, EAFNOSUPPORT where the node has
  // no IPv6; error.c (EPROTO with proto=rdma) since 2.8
  {
    pattern:
      /No route to host|Network is unreachable|Host is down|Network is down|Cannot assign requested address|Address family not supported by protocol|an interface supporting RDMA/,
    errorClass: 'no-route',
  },
  // utils/mount/error.c ("timed out, giving up"); strerror(3) of ETIMEDOUT; clnt_sperrno(3)
  {
    pattern: /timed out/i,
    errorClass: 'server-silent',
  },
  // strerror(3) of ENODEV: the kernel has no NFS; of ESRCH: no tlshd takes its TLS handshakes
  {
    pattern: /No such device|unknown filesystem type|: No such process/,
    errorClass: 'node',
  },
];

export const nfsFailureTexts: FailureTexts = {
  ...plainFailureTexts,
  wordings: nfsWordings,
  hints: {
    'connection-refused': ({ server, probeFailure }) =>
      portOf(probeFailure) === 111
        ? `ask for vers=4, which needs no rpcbind there, or for port=PORT,mountport=PORT,proto=tcp,nolock together; or start the NFS server on ${word(server)}, with rpcbind for NFSv3`
        : `start the NFS server on ${word(server)}, or name its port with -o port=PORT; ${inRootfs('rpcinfo -p', server)} lists what runs`,
    'name-resolution': (facts) => (facts.probeFailure === undefined ? familyHint(facts) : undefined),
    'access-denied': (facts) =>
      flagHint(
        facts,
        'noresvport',
        'or have the directory exported with insecure: the server takes it from ports below 1024 alone',
      ) ?? exportHint(facts),
    'no-such-export': exportHint,
    'version-not-offered': (facts) =>
      optionOfVersion3Hint(facts) ??
      `run ${inRootfs('rpcinfo -p', facts.server)} to see the versions and transports of nfs that the server offers, and ask for one of them with -o vers= or proto=`,
    'bad-option': (facts) =>
      familyHint(facts) ??
      versionHint(facts) ??
      `${takeItOut}; where it names none, a value is out of range: see nfs(5)`,
    stale: ({ server }) =>
      `run exportfs -r on ${word(server)}: the exported directory was replaced; then umount -l what mounter doctor calls stale here, and mount again`,
    busy: ({ target }) =>
      `run findmnt ${word(target)}; if nothing is there, this filesystem of the server is mounted elsewhere with another context= (see dmesg): give both the same, or this one nosharecache`,
    node: (facts) =>
      flagHint(
        facts,
        'xprtsec',
        'and nothing is encrypted; or start tlshd(8) on this node, which the kernel found not to run',
      ),
    usage: ({ source }) => correctedSource(source),
  },
  lackOfNode,
  // EINVAL, EACCES and EPERM of connect(2), where mount.nfs asks nobody else before.
  sayNoRouteAsWell:
    /an incorrect mount option was specified|access denied by server|: Operation not permitted/,
};

/** What `name` has to do with it, where it was given. */
function flagHint({ options }: HintFacts, name: string, more: string): string | undefined {
  const found = lastOption(parseOptions(options), name);
  return found && `take ${found.text} out of mountOptions, ${more}`;
}

/** proto=tcp is TCP by IPv4, proto=tcp6 by IPv6. @see nfs(5), network.c nfs_nfs_proto_family() */
function familyHint({ options, server = '' }: HintFacts): string | undefined {
  const asked = lastOption(parseOptions(options), 'proto') ?? lastOption(parseOptions(options), 'mountproto');
  const { name, value = '' } = asked ?? {};
  const address = parseIpAddress(server);
  const isVersion6 = value.endsWith('6');
  if (name === undefined || (address !== undefined && isVersion6 === address.groups.length > 2))
    return undefined;
  const other = isVersion6 ? value.slice(0, -1) : `${value}6`;
  return `write ${name}=${other}, for ${word(server)} has no ${isVersion6 ? 'IPv6' : 'IPv4'} address; or leave ${name}= out`;
}

const versions = ['3', '4', '4.0', '4.1', '4.2'];

function versionHint({ options }: HintFacts): string | undefined {
  const version = requestedVersion('nfs', options);
  if (version?.startsWith('4') && requestedTransport(parseOptions(options)) === 'udp')
    return 'write proto=tcp, for NFSv4 does not go by UDP';
  return version === undefined || versions.includes(version)
    ? undefined
    : `there is no NFSv${version}: ask for one of ${versions.map((some) => `vers=${some}`).join(', ')}`;
}

function optionOfVersion3Hint({ options }: HintFacts): string | undefined {
  const found = parseOptions(options).find(isOfVersion3Alone);
  return found && requestedVersion('nfs', options)?.startsWith('4')
    ? `take ${found.text} out of mountOptions, which only NFSv3 has, or ask for vers=3`
    : undefined;
}

function exportHint({ source, server }: HintFacts): string {
  const path = pathOf(source);
  return `run ${inRootfs('showmount -e', server)} (exportfs -v on ${word(server)} where it has NFSv4 alone): if ${path} is in the list, export it to this node as well, there: exportfs -o rw,no_subtree_check ${word(`ADDRESS:${path}`)} (and insecure where the way is through NAT); if not, name one that is`;
}

function lackOfNode(words: string, { host, layout }: MountContext): NodeLack | undefined {
  if (/No space left on device/.test(words) && areNamespacesForbidden(host))
    return {
      why: 'NFSv4 needs mount namespaces, and user.max_mnt_namespaces is 0 on this node',
      hint: `${raiseLimit('user.max_mnt_namespaces')}; vers=3 needs none`,
    };
  if (!/rotocol not supported/.test(words)) return undefined;
  // Without these libtirpc knows no transport.
  const missing = ['/etc/netconfig', '/etc/services', '/etc/protocols'].find(
    (file) => host.stat(`${layout.rootfs}${file}`) === undefined,
  );
  return missing === undefined ? undefined : { hint: `${missing} is missing in the rootfs: ${installAgain}` };
}

/**
 * The kernel makes a mount namespace for each NFSv4 mount, to find the exported directory; mount(2) answers ENOSPC.
 * @see namespaces(7), /proc/sys/user; mount_subtree in fs/namespace.c
 */
function areNamespacesForbidden(host: Host): boolean {
  return host.readText('/proc/sys/user/max_mnt_namespaces')?.trim() === '0';
}
