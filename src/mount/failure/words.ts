import type { ErrorClass } from '../../errors.ts';
import type { MountPlan } from '../plan.ts';

/** What a helper says, where nothing better tells what it met. */
interface Wording {
  readonly pattern: RegExp;
  readonly errorClass: ErrorClass;
  /** Where the helper has it from, and since or until when: nfs-utils 1.2.8 to 2.8, glusterfs 3.6 to 11. */
  readonly source: string;
}

/**
 * The first that matches counts. mount.nfs's progname may be mount.nfs4; lately most lines end in
 * ` for TARGET` or ` for SOURCE on TARGET`.
 */
const nfsWordings: readonly Wording[] = [
  {
    pattern: /rpc\.statd is not running|Either use '-o nolock'/,
    errorClass: 'lock-service',
    source: 'utils/mount/stropts.c (nfs_verify_lock_option); until 1.3.3 with the line of EINVAL behind it',
  },
  {
    pattern:
      /an incorrect mount option was specified|Unsupported nfs4? mount option|unknown nfs mount (option|parameter)|Bad nfs mount parameter|Unrecognized proto=|option parsing error|parsing error on '|invalid value for '|multiple version options|excessively long option|Invalid client address|unknown security type|(no|maximum number of) security flavors|Failed to find '.*' protocol|Please use '-t nfs4'/,
    errorClass: 'bad-option',
    source: 'utils/mount/error.c (EINVAL); nfsmount.c, nfs4mount.c, network.c, stropts.c',
  },
  {
    pattern:
      /remote share not in 'host:dir' format|directory to mount not in host:dir format|NFS URLs are not supported|closing bracket missing from server address|(server hostname|export pathname) is too long|excessively long host:dir|no device name was provided/,
    errorClass: 'usage',
    source: 'utils/mount/parse_dev.c, stropts.c, nfs4mount.c',
  },
  {
    pattern:
      /Failed to resolve server|DNS resolution failed|Name or service not known|Temporary failure in name resolution|No address associated with hostname|: Resource temporarily unavailable/,
    errorClass: 'name-resolution',
    source: 'utils/mount/stropts.c (EAI_AGAIN became EAGAIN, and is retried), network.c; gai_strerror(3)',
  },
  {
    pattern:
      /access denied by server|security flavor not supported|reason given by server:\s+Permission denied|mount(\.nfs4?)?: Operation not permitted/,
    errorClass: 'access-denied',
    source: 'utils/mount/error.c (EACCES, default: EPERM), nfsmount.c',
  },
  {
    pattern: /reason given by server:\s+(No such file or directory|Not a directory)/,
    errorClass: 'no-such-export',
    source: 'utils/mount/error.c (ENOENT); with a line break in early 1.x',
  },
  {
    pattern:
      /requested NFS version or transport protocol is not supported|: Protocol not supported|Program not registered|Program\/version mismatch|NFS (mount )?version \d+ is not supported/,
    errorClass: 'version-not-offered',
    source: 'utils/mount/error.c (EOPNOTSUPP; EPROTONOSUPPORT by default), nfsmount.c; clnt_sperrno(3)',
  },
  {
    pattern: /mount spec .* or point .* is not a directory/,
    errorClass: 'no-such-export',
    source: 'utils/mount/error.c (ENOTDIR) since 2.x; the target was seen to be a directory',
  },
  {
    pattern: /mount point .* (does not exist|is not a directory)/,
    errorClass: 'mount-point',
    source: 'utils/mount/error.c, mount.c (chk_mountpoint)',
  },
  {
    pattern: /is busy or already mounted|Device or resource busy/,
    errorClass: 'busy',
    source: 'utils/mount/error.c (EBUSY); with "or sharecache fail" since 2.x',
  },
  {
    pattern: /Stale (NFS )?file handle/,
    errorClass: 'stale',
    source: 'strerror(3) of ESTALE, with "NFS" in older glibc; utils/mount/error.c by default',
  },
  { pattern: /Connection refused/, errorClass: 'connection-refused', source: 'strerror(3) of ECONNREFUSED' },
  {
    pattern: /No route to host|Network is unreachable|Host is down|Network is down/,
    errorClass: 'no-route',
    source: 'strerror(3) of EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN',
  },
  {
    pattern: /timed out/i,
    errorClass: 'server-silent',
    source: 'utils/mount/error.c ("timed out, giving up"); strerror(3) of ETIMEDOUT; clnt_sperrno(3)',
  },
  {
    pattern: /No such device|unknown filesystem type/,
    errorClass: 'node',
    source: 'strerror(3) of ENODEV: the kernel has no NFS',
  },
];

/** The helper's own words, and those of the log file of the mount, which alone has the reason. */
const glusterfsWordings: readonly Wording[] = [
  {
    pattern: /^\[[^\]]*\] C \[[^\]]*\] 0-mounter: refused by mounter: /m,
    errorClass: 'policy',
    source: 'src/guard/interpose.c (log_refusal)',
  },
  {
    pattern:
      /unrecognized option '--guarded=|glusterfs: (it can ?not be guarded|the program that is guarded)/,
    errorClass: 'node',
    source: 'argp(3), of a glusterfs without its guard; src/guard/start.c, confine.c',
  },
  {
    pattern: /Invalid option|invalid argument|Invalid backup|^glusterfs: (unknown|invalid|unrecognized) /im,
    errorClass: 'bad-option',
    source:
      'mount.glusterfs.in (with_options, without_options, start_glusterfs); glusterfsd.c (parse_opts), argp(3)',
  },
  {
    pattern: /No valid servers found|Server name\/volume name unspecified/,
    errorClass: 'usage',
    source: 'mount.glusterfs.in (start_glusterfs, main)',
  },
  {
    pattern:
      /Mount point does not exist|Cannot mount over|in use as a brick of a gluster volume|is a parent of the brick/,
    errorClass: 'mount-point',
    source: 'mount.glusterfs.in (check_recursive_mount, main)',
  },
  {
    pattern: /is already mounted|already mounted on/,
    errorClass: 'busy',
    source: 'mount.glusterfs.in (main)',
  },
  {
    pattern: /(cannot|failed to) open \/dev\/fuse/,
    errorClass: 'node',
    source: 'contrib/fuse-lib/mount-common.c, xlators/mount/fuse',
  },
  {
    pattern: /DNS resolution failed|getaddrinfo failed/,
    errorClass: 'name-resolution',
    source: 'rpc/rpc-transport/socket/src/name.c (af_inet_client_get_remote_sockaddr)',
  },
  {
    pattern: /subdirectory for mount .* is not found/,
    errorClass: 'no-such-export',
    source:
      'xlators/protocol/server/src/server-handshake.c since 3.12; the client calls it an authentication failure',
  },
  {
    pattern: /AUTH_FAILED|Authentication failed|SETVOLUME on remote-host failed.*Permission denied/i,
    errorClass: 'access-denied',
    source: 'xlators/protocol/client/src/client-handshake.c (client_setvolume_cbk)',
  },
  {
    pattern: /failed to (get|fetch) (the )?'?volume file/i,
    errorClass: 'no-such-export',
    source: 'glusterfsd/src/glusterfsd-mgmt.c (mgmt_getspec_cbk)',
  },
  {
    pattern: /Connection refused/,
    errorClass: 'connection-refused',
    source: 'strerror(3), socket.c (socket_connect_finish)',
  },
  {
    pattern: /No route to host|Network is unreachable/,
    errorClass: 'no-route',
    source: 'strerror(3), socket.c',
  },
  { pattern: /Connection timed out/, errorClass: 'server-silent', source: 'strerror(3), socket.c' },
];

/** What a mount was asked to do: a helper repeats it, and whoever wrote it may have put a helper's words there. */
type Asked = Partial<Pick<MountPlan, 'source' | 'target'>>;

/** The class that a helper's words stand for, or undefined. */
export function classOfWords(
  kind: MountPlan['kind'],
  words: string,
  { source = '', target = '' }: Asked = {},
): ErrorClass | undefined {
  const wordings = { nfs: nfsWordings, glusterfs: glusterfsWordings, generic: [] }[kind];
  const own = [target, source].reduce(
    (text, given) => (given.length < 4 ? text : text.replaceAll(given, '…')),
    words,
  );
  return wordings.find(({ pattern }) => pattern.test(own))?.errorClass;
}

/** The server whose name glusterfs could not resolve: its own server's, or one that the volume names. */
export function unresolvedServer(words: string): string | undefined {
  return /DNS resolution failed on host (\S+)/.exec(words)?.[1];
}
