import type { Manifest } from '../manifest/manifest.ts';
import { runDirectory } from '../node/layout.ts';
import { shellQuoted } from '../shell-word.ts';
import { keeperName, type ServiceRole } from './services.ts';
import { keepTlshd, tlshdSettingsFile, writeTlshdSettings } from './tlshd.ts';

/** How start-statd starts each service of the table: what is shell is for its functions, of which some are here. */

export type ServiceSettings = Pick<Manifest, 'daemons' | 'limits' | 'policy' | 'security'>;

export interface ServiceStart {
  /** Lines of sh that come before it is asked, each time that somebody wants it. */
  readonly always?: (settings: ServiceSettings) => string;
  /** Lines of sh that come before it is started. */
  readonly before?: (settings: ServiceSettings) => string;
  /** @param own path and arguments, as the manifest has them. */
  readonly command?: (own: readonly string[], settings: ServiceSettings) => readonly string[];
  /** A process that starts it again, and has to end first. */
  readonly keeper?: string;
  /** It does not go to the background by itself. */
  readonly isForeground?: true;
  /** One of ours that was started by another command, of other settings or an older version, is replaced: nothing is lost. */
  readonly isKeptToCommand?: true;
  /** With the guard's own connect(2), which goes to no abstract name. */
  readonly isGuarded?: true;
  /** What to ask where it does not start. */
  readonly hint?: (settings: ServiceSettings) => string;
}

export const serviceStarts: Readonly<Record<ServiceRole, ServiceStart>> = {
  rpcbind: {
    // Where -w keeps the registrations for a restart; rpcbind gives up root, hence the owner.
    before: () => '[ -d /run/rpcbind ] || { mkdir -m 0755 /run/rpcbind && chown _rpc /run/rpcbind; }',
    command: withAddresses,
    hint: ({ policy: { portmapper } }) =>
      typeof portmapper === 'string' ? '' : ': is every address of policy.portmapper on this node?',
  },
  statd: {
    // An image of another C library cannot load the guard, and has its locks without it.
    before: ({ daemons: { statd } }) =>
      `notify_servers\nasked $preloaded ${shellQuoted(statd.path)} -v || preloaded=`,
    isGuarded: true,
  },
  gssd: {
    always: ({ security: { krb5 } }) => `copy_krb5_conf ${shellQuoted(krb5.config)}`,
    before: ({ security: { krb5 } }) => `make_caches ${shellQuoted(cachesSeen(krb5.credentialCaches))}`,
    isKeptToCommand: true,
    // The node's ticket stays in its memory. Users' tickets are looked for with a user's rights, in the directory itself and
    // in that one of it that has the user's number for its name.
    command: (own, { security: { krb5 } }) => {
      const caches = cachesSeen(krb5.credentialCaches);
      const searched = `${caches}:${caches}/%U`;
      return withPipes([
        ...own,
        ...['-M', '-p', pipes, '-k', onHost(krb5.keytab)],
        ...['-d', searched, '-C', '-U', String(upcallSeconds)],
      ]);
    },
  },
  idmapd: {
    always: () => 'copy_users',
    before: () => 'write_idmapd_conf',
    command: (own) => withPipes([...own, '-p', pipes, '-c', idmapdConf], usersOfNode),
  },
  tlshd: {
    // The next mount writes today's: this is for whoever starts it without one.
    before: ({ security: { tls } }) => writeTlshdSettings(tls),
    keeper: keeperName,
    command: (own) => ['sh', '-c', keepTlshd, 'sh', ...own, '--stderr', '--config', tlshdSettingsFile],
    isForeground: true,
  },
};

/**
 * rpcbind gets the addresses of the manifest's policy as well. It adds 127.0.0.1 and ::1 to any others by itself, and
 * aborts when they are named too (1.2.6: `double free`). For one that the node does not have, 1.2.6 does not start; 1.2.7
 * goes without it.
 * @see rpcbind(8) -h
 */
function withAddresses(
  own: readonly string[],
  { policy: { portmapper } }: ServiceSettings,
): readonly string[] {
  if (portmapper === 'any') return own;
  const asked = portmapper === 'loopback' ? [] : portmapper;
  const others = asked.filter((address) => address !== '127.0.0.1' && address !== '::1');
  // Another of loopback's addresses, so that there is one to name.
  const addresses = others.length === 0 ? ['127.0.0.2'] : others;
  return [...own, ...addresses.flatMap((one) => ['-h', one])];
}

/**
 * Words that start-statd takes in the place of a service's, for questions about Kerberos: sh that answers them. The places
 * are those that rpc.gssd goes by, of the settings when the node was prepared.
 */
export function kerberosQuestions({ security: { krb5 } }: ServiceSettings): string {
  const keytab = shellQuoted(onHost(krb5.keytab));
  return `case "\${1-}" in
keytab) [ -s ${keytab} ]; exit ;;
try-kerberos)
  exec 2>/dev/null # Where the shell says who was killed; the programs' own is a part of the answer.
  printf 'keytab: %s\\nconfig: %s\\n' ${shellQuoted(krb5.keytab)} ${shellQuoted(krb5.config)}
  copy_krb5_conf ${shellQuoted(krb5.config)}; try_kerberos ${keytab} "$2"; exit ;;
esac
`;
}

/** A file of the node's, for root: also after another was put in its place. */
function onHost(path: string): string {
  return `/proc/1/root${path}`;
}

export const cachesInRootfs = '/var/lib/krb5-caches';

/** Where a rootfs has the tickets of users: what is in /run it has under the same name. */
export function cachesSeen(path: string): string {
  return path.startsWith('/run/') ? path : cachesInRootfs;
}

/**
 * While an rpc.gssd runs, the kernel wants the node's ticket for the state of every NFSv4 server, with sec=sys too, and goes
 * without after two refusals, or four. libkrb5 asks a silent KDC for longer than a minute; the least that rpc.gssd takes.
 */
const upcallSeconds = 5;

const pipes = '/var/lib/rpc_pipefs';

const idmapdConf = `${runDirectory}/idmapd.conf`;

/** Names are the node's: copies, for nothing of another mount namespace can be bound, and these are written in place. */
const usersOfNode = `for file in passwd group; do mount --bind ${runDirectory}/$file /etc/$file || exit; done; `;

/** With the pipes of this network's NFS in a mount namespace of its own, which ends with it. */
function withPipes(argv: readonly string[], more = ''): readonly string[] {
  const script = `mount -t rpc_pipefs rpc_pipefs ${pipes} && ${more}exec "$@"`;
  return ['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c', script, 'sh', ...argv];
}

/**
 * A user's ticket is looked for with that user's rights, which end at the host's root directory: so krb5.conf is a copy.
 * What it includes comes along; that has sections of its own, after which the one goes on that it stands in.
 * @see krb5.conf(5) "STRUCTURE"
 */
export const serviceFunctions = String.raw`
copy_krb5_conf() {
  for left in /etc/krb5.conf.*; do [ -e "/proc/$(echo "$left" | cut -d. -f3)" ] || rm -f "$left"; done
  awk -v host=/proc/1/root -v file="$1" '
    function put(path, depth,   line, words, section) {
      while ((getline line <path) > 0) {
        if (line ~ /^\[/) section = line
        if (split(line, words) != 2 || depth > 8) print line
        else if (words[1] == "include") { put(host words[2], depth + 1); print section }
        else if (words[1] == "includedir") { put_all(host words[2], depth + 1); print section }
        else print line
      }
      close(path)
    }
    function put_all(directory, depth,   list, name) {
      gsub(/\047/, "\047\\\047\047", directory)
      list = "ls \047" directory "\047"
      while ((list | getline name) > 0)
        if (name ~ /^([A-Za-z0-9_-]+|[^.].*\.conf)$/) put(directory "/" name, depth)
      close(list)
    }
    BEGIN { put(host file, 0) }
  ' >/etc/krb5.conf.$$ && mv /etc/krb5.conf.$$ /etc/krb5.conf && return
  rm -f /etc/krb5.conf.$$
  return 1
}
copy_users() {
  for file in passwd group; do
    # In place, which the bind of it needs: one that was killed meanwhile has left a part.
    own=/proc/1/root/etc/$file
    [ ! -e $own ] || [ "$(cat $own)" = "$(cat ${runDirectory}/$file 2>/dev/null)" ] || cat $own >${runDirectory}/$file
  done
}
# It does not start without a group for those whom it does not know, and no two distributions call that the same.
write_idmapd_conf() {
  for group in nogroup nobody root; do grep -q "^$group:" /proc/1/root/etc/group && break; done
  { printf '[Mapping]\nNobody-Group = %s\n' "$group"; cat /proc/1/root/etc/idmapd.conf 2>/dev/null; } >${idmapdConf}
}
# Gets the node's ticket and then the server's, as rpc.gssd does, and says what comes of it: its reason is in no answer of
# the kernel's. What a killed one has left goes: a ticket. KEYTAB SERVER
try_kerberos() {
  for left in ${runDirectory}/krb5cc-try.*; do [ -e "/proc/$(echo "$left" | cut -d. -f2)" ] || rm -f "$left"; done
  [ -s "$1" ] || { echo "no keytab"; return; }
  cache=${runDirectory}/krb5cc-try.$$
  principals=$(klist -k "$1" 2>&1 | awk '$2 ~ /^(nfs|host|root)\/|^[^\/]+[$]@/ { if (!seen[$2]++) print $2 }')
  [ -n "$principals" ] || { echo "no suitable key"; return; }
  # libkrb5 waits for a silent name server as for a silent KDC.
  kdc=$(sed -n 's/^[[:space:]]*kdc[[:space:]]*=[[:space:]]*\([^[:space:]:]*\).*/\1/p' /etc/krb5.conf | head -n 1)
  [ -n "$kdc" ] || kdc=$2
  { timeout -s KILL 3 getent ahosts "$kdc" || [ $? != 137 ] || : >"$cache.unnamed"; } >/dev/null 2>&1 </dev/null &
  # As the keytab has them, once for all their keys: the first that the KDC takes is the one that counts.
  for principal in $principals; do
    said=$(timeout -s KILL 4 kinit -k -t "$1" -c "$cache" "$principal" 2>&1 </dev/null) && break
    [ $? != 137 ] || { [ -e "$cache.unnamed" ] && said="kinit: no name server answers" || said="kinit: no answer"; }
    case $said in *"no answer"* | *"no name server"* | *"any KDC"* | *"find KDC"* | *"resolve"*) break ;; esac
  done
  if [ -e "$cache" ]; then
    said=$(timeout -s KILL 4 kvno -c "$cache" -S nfs -- "$2" 2>&1 </dev/null) || { [ $? != 137 ] || said="kvno: no answer"; }
  fi
  rm -f "$cache" "$cache.unnamed"
  echo "$principal: $said"
}
# Root's own, or any user could fill /run.
make_caches() { [ -d "$1" ] || mkdir -m 0755 "$1"; }
`;
