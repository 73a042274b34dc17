import type { Manifest } from '../manifest/manifest.ts';
import { shellQuoted } from '../shell-word.ts';
import type { ServiceRole } from './services.ts';

/** How start-statd starts each service of the table: what is shell is for its functions, of which some are here. */

export type ServiceSettings = Pick<Manifest, 'daemons' | 'limits' | 'policy' | 'security'>;

export interface ServiceStart {
  /** Lines of sh that come before it is asked, each time that somebody wants it. */
  readonly always?: (settings: ServiceSettings) => string;
  /** Lines of sh that come before it is started. */
  readonly before?: (settings: ServiceSettings) => string;
  /** @param own path and arguments, as the manifest has them. */
  readonly command?: (own: readonly string[], settings: ServiceSettings) => readonly string[];
  /** It does not go to the background by itself. */
  readonly isForeground?: true;
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
  statd: { before: () => 'notify_servers', isGuarded: true },
  gssd: {
    always: ({ security: { krb5 } }) => `copy_krb5_conf ${shellQuoted(krb5.config)}`,
    before: ({ security: { krb5 } }) => `make_caches ${shellQuoted(cachesSeen(krb5.credentialCaches))}`,
    // The node's ticket stays in its memory. Users' tickets are looked for with a user's rights.
    command: (own, { security: { krb5 } }) =>
      withPipes([
        ...own,
        ...['-M', '-p', pipes, '-k', onHost(krb5.keytab), '-d', cachesSeen(krb5.credentialCaches)],
      ]),
  },
  idmapd: { command: (own) => withPipes([...own, '-p', pipes]) },
  tlshd: { isForeground: true },
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

/** A file of the node's, for root: also after another was put in its place. */
function onHost(path: string): string {
  return `/proc/1/root${path}`;
}

/** Where a rootfs has the tickets of users: what is in /run it has under the same name. */
export function cachesSeen(path: string): string {
  return path.startsWith('/run/') ? path : '/var/lib/krb5-caches';
}

const pipes = '/var/lib/rpc_pipefs';

/** With the pipes of this network's NFS in a mount namespace of its own, which ends with it. */
function withPipes(argv: readonly string[]): readonly string[] {
  const script = `mount -t rpc_pipefs rpc_pipefs ${pipes} && exec "$@"`;
  return ['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c', script, 'sh', ...argv];
}

/**
 * A user's ticket is looked for with that user's rights, which end at the host's root directory: so krb5.conf is a copy.
 * What it includes comes along; that has sections of its own, after which the one goes on that it stands in.
 * @see krb5.conf(5) "STRUCTURE"
 */
export const serviceFunctions = String.raw`
copy_krb5_conf() {
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
  ' >/etc/krb5.conf.new && mv /etc/krb5.conf.new /etc/krb5.conf
}
make_caches() { [ -d "$1" ] || mkdir -m 1777 "$1"; }
`;
