import type { FileEnd, MountHost } from '../../../host/mount-host.ts';
import type { FailureTexts, Wording } from '../filesystem-driver.ts';
import { word } from '../hints.ts';
import { plainFailureTexts } from '../plain.ts';

/** The helper's own words, and those of the log file of the mount, which alone has the reason. */
const glusterfsWordings: readonly Wording[] = [
  // ld.so(8), dash: what the script calls is not whole, and its status is its own
  {
    pattern: /error while loading shared libraries: |^\S+: \d+: \S+: not found$/m,
    errorClass: 'helper-missing',
  },
  // src/guard/interpose.c (log_refusal)
  {
    pattern: /^\[[^\]]*\] C \[[^\]]*\] 0-mounter: refused by mounter: /m,
    errorClass: 'policy',
  },
  // argp(3), of a glusterfs without its guard; src/guard/start.c, confine.c
  {
    pattern:
      /unrecognized option '--guarded=|glusterfs: (it can ?not be guarded|the program that is guarded)/,
    errorClass: 'node',
  },
  // socket.c (socket_connect): a route of the type blackhole or prohibit, connect(2) that is forbidden
  {
    pattern:
      /connection attempt on .* failed, \((Invalid argument|Permission denied|Operation not permitted)\)/,
    errorClass: 'no-route',
  },
  // mount.glusterfs.in (with_options, without_options, start_glusterfs); glusterfsd.c (parse_opts), argp(3)
  {
    pattern: /Invalid option|invalid argument|Invalid backup|^glusterfs: (unknown|invalid|unrecognized) /im,
    errorClass: 'bad-option',
  },
  // mount.glusterfs.in hands them on, and mount_param_to_flag() of xlators/mount/fuse does not know them
  {
    pattern: /gf_fuse_mount\].* \([^)]*\b(no)?(diratime|relatime|strictatime)\b[^)]*\) failed/,
    errorClass: 'bad-option',
  },
  // mount.glusterfs.in (start_glusterfs, main)
  {
    pattern: /No valid servers found|Server name\/volume name unspecified/,
    errorClass: 'usage',
  },
  // mount.glusterfs.in (check_recursive_mount, main)
  {
    pattern:
      /Mount point does not exist|Cannot mount over|in use as a brick of a gluster volume|is a parent of the brick/,
    errorClass: 'mount-point',
  },
  // mount.glusterfs.in (main)
  {
    pattern: /is already mounted|already mounted on/,
    errorClass: 'busy',
  },
  // contrib/fuse-lib/mount-common.c, xlators/mount/fuse
  {
    pattern: /(cannot|failed to) open \/dev\/fuse/,
    errorClass: 'node',
  },
  // rpc/rpc-transport/socket/src/name.c (af_inet_client_get_remote_sockaddr)
  {
    pattern: /DNS resolution failed|getaddrinfo failed/,
    errorClass: 'name-resolution',
  },
  // xlators/protocol/server/src/server-handshake.c since 3.12; the client calls it an authentication failure
  {
    pattern: /subdirectory for mount .* is not found/,
    errorClass: 'no-such-export',
  },
  // xlators/protocol/client/src/client-handshake.c (client_setvolume_cbk); fuse-bridge.c (notify), misspelt in 10
  {
    pattern: /AUTH_FAILED|Authent?ication failed|SETVOLUME on remote-host failed.*Permission denied/i,
    errorClass: 'access-denied',
  },
  // glusterfsd/src/glusterfsd-mgmt.c (mgmt_getspec_cbk)
  {
    pattern: /failed to (get|fetch) (the )?'?volume file/i,
    errorClass: 'no-such-export',
  },
  // xlators/protocol/client/src/client-handshake.c (client_query_portmap_cbk): a brick that is not served
  {
    pattern: /failed to get the port number for remote subvolume/,
    errorClass: 'no-such-export',
  },
  // strerror(3), socket.c (socket_connect_finish)
  {
    pattern: /Connection refused/,
    errorClass: 'connection-refused',
  },
  // strerror(3), socket.c; the last two where the node has no IPv6
  {
    pattern:
      /No route to host|Network is unreachable|Cannot assign requested address|Address family not supported by protocol/,
    errorClass: 'no-route',
  },
  // strerror(3), socket.c
  { pattern: /Connection timed out/, errorClass: 'server-silent' },
];

export const glusterfsFailureTexts: FailureTexts = {
  ...plainFailureTexts,
  wordings: glusterfsWordings,
  hints: {
    'connection-refused': ({ server }) =>
      `start glusterd on ${word(server)}, or name the port it listens on with -o server-port=PORT`,
    'access-denied': ({ server, source }) => {
      const volume = word(volumeOf(source));
      return `run gluster volume info ${volume} on ${word(server)}: gluster volume set ${volume} auth.allow ADDRESSES there, with this node's address among them; or gluster volume reset ${volume} auth.reject, where that names it`;
    },
    'no-such-export': ({ server, source }) =>
      `run gluster volume info on ${word(server)} and compare the name; gluster volume start ${word(volumeOf(source))} force there, where it is not started, or a brick of it is down; a directory of the volume has to exist`,
    'bad-option': () => 'take the option out of mountOptions; mount.glusterfs(8) lists those that there are',
    usage: () => 'write SERVER:VOLUME',
  },
  saidInLog,
  // Its own server's, or one that the volume names.
  unresolvedServer: (words) => /DNS resolution failed on host ([^\s…]+)/.exec(words)?.[1],
  isTaciturn: true,
};

/** `v` of `server:/v/directory`. */
function volumeOf(source: string): string {
  const path = source.slice(source.lastIndexOf(':') + 1).replace(/^\//, '');
  return path.split('/')[0]?.replace(/\.(tcp|rdma)$/, '') || 'VOLUME';
}

const maximumBytes = 32 * 1024;
const maximumLines = 2;
/** GF_ASSERT's lines, for debuggers alone; and those of its own unmount, which after a failure say what user it is. */
const isNoise = /Assertion failed: To attach gdb|^[^\]]*\] . (\[MSGID[^\]]*\] )?\[[^\]]*:gf_fuse_unmount\] /;

/** Written by src/guard/interpose.c. The domain is the guard's own: no server can bring it into a line of glusterfs's. */
const isRefusal = /^[^\]]*\] C \[[^\]]*\] 0-mounter: refused by mounter: /;

/**
 * The last lines in which the mount's log names an error of this call: often the only place that has the reason. The
 * options that name the file were checked; only glusterfs's own lines are shown, for another file's are nobody's to see.
 */
function saidInLog(file: string, before: FileEnd, host: MountHost): string {
  try {
    return errorLines(host.readEnd(file, maximumBytes, before) ?? '');
  } catch {
    return '';
  }
}

/**
 * ```
 * [2023-05-04 08:15:42.123456 +0000] E [MSGID: 101075] [common-utils.c:520:gf_resolve_ip6] 0-resolver: …
 * [2017-05-04 08:15:42.123456] E [glusterfsd-mgmt.c:1925:mgmt_getspec_cbk] 0-mgmt: failed to fetch volume file
 * ```
 */
export function errorLines(log: string): string {
  const isError = /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[^\]]*\] [AECM] \[/;
  const found = log.split('\n').filter((line) => isError.test(line) && !isNoise.test(line));
  return telling(found)
    .map((line) => `${line}\n`)
    .join('');
}

/** The last ones, and before them what the guard refused: glusterfs says much of what follows from that. */
function telling(lines: readonly string[]): readonly string[] {
  const last = lines.slice(-maximumLines);
  const refused = lines.find((line) => isRefusal.test(line));
  return refused === undefined || last.includes(refused) ? last : [refused, ...last.slice(1)];
}
