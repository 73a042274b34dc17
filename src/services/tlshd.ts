import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import type { Manifest, NodeSettings } from '../manifest/manifest.ts';
import { locksDirectory, runDirectory } from '../node/layout.ts';
import { rootfsEntrance } from '../rootfs/entrance.ts';
import { shellQuoted } from '../shell-word.ts';
import { findDaemons, type ServiceDaemon } from './find-daemons.ts';
import { hasUnit, type ServicesContext } from './provide.ts';
import { provideSecurityServices } from './provide-security.ts';
import { hasRootsRights, keeperName, serviceOf } from './services.ts';

/**
 * tlshd(8). The kernel has TLS, and no handshakes: for each connection of a mount with xprtsec=tls or mtls it asks a
 * daemon of that network namespace, also when a volume is connected anew, perhaps days later. Where none listens
 * then, whoever reads or writes the volume gets ESRCH (tried on Linux 7.2). Hence a shell that starts it again at once.
 */

export type TlsKind = 'tls' | 'mtls';

/** What it reads when it starts. Certificate, key and trust store it reads anew for each handshake (1.0.0). */
export const tlshdSettingsFile = `${runDirectory}/tlshd.conf`;
/** What it says, root's alone: names of servers, and why a handshake has failed. */
export const tlshdLog = `${runDirectory}/tlshd.log`;

/** Where it is started: it has the host's /proc, and so the host's files, also those that are renewed by a rename. */
export const hostRoot = '/proc/1/root';

/** A tlshd of our network, without the processes that it makes for each handshake. */
export interface Tlshd extends ServiceDaemon {
  /** It has a socket of generic netlink, and has read all that came; a signal has not stopped it. */
  readonly isListening: boolean;
  /** A shell of ours starts it again when it ends. */
  readonly isKept: boolean;
}

export function findTlshds(context: ServicesContext): readonly Tlshd[] {
  const { host } = context;
  const found = findDaemons(context, ['tlshd'], (pid) => isToldOfHandshakes(pid, host)).flatMap((daemon) =>
    seen(daemon, host),
  );
  const pids = new Set(found.map(({ pid }) => pid));
  const sockets = found.length === 0 ? '' : (host.readText('/proc/net/netlink') ?? '');
  return found
    .filter(({ parent }) => !pids.has(parent))
    .map(({ pid, owner, parent, isStopped }) => ({
      pid,
      owner,
      isListening: !isStopped && isReading(sockets, pid),
      isKept: host.readText(`/proc/${parent}/comm`)?.trim() === keeperName,
    }));
}

interface SeenDaemon extends ServiceDaemon {
  readonly parent: number;
  readonly isStopped: boolean;
}

/** Whether the kernel would hand it a handshake: anybody may call a process tlshd. */
function isToldOfHandshakes(pid: number, host: Host): boolean {
  const status = host.readText(`/proc/${pid}/status`) ?? '';
  return hasRootsRights(status) && mayTakeHandshakes('CapEff', status);
}

/** proc_pid_stat(5): `985 (tlshd) S 914 985 …`. @returns none where it has ended. */
function seen({ pid, owner }: ServiceDaemon, host: Host): readonly SeenDaemon[] {
  const stat = /\) (\S) (\d+) [^)]*$/.exec(host.readText(`/proc/${pid}/stat`) ?? '');
  const [, state = 'Z', parent] = stat ?? [];
  return state === 'Z' || state === 'X'
    ? []
    : [{ pid, owner, parent: Number(parent), isStopped: 'Tt'.includes(state) }];
}

/**
 * Whether that process has such a socket with nothing unread in it. libnl makes its number of the pid, in 22 bits.
 *
 * ```
 * sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
 * 000000005736385a 16  1308623762 00000040 0        0        0     2        0        422
 * ```
 */
export function isReading(sockets: string, pid: number): boolean {
  return sockets.split('\n').some((line) => {
    const [, protocol, port, , unread] = line.split(/\s+/);
    return protocol === '16' && Number(port) % 2 ** 22 === pid && unread === '0';
  });
}

/** Where distributions keep the certificates that a machine trusts, as Go's crypto/x509 looks for them (root_linux.go). */
export const trustBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

export interface TlsFiles {
  readonly trustStore: string;
  readonly certificate?: string | undefined;
  readonly privateKey?: string | undefined;
}

type WantedFiles = { readonly [Name in keyof TlsFiles]: TlsFiles[Name] | undefined };

/** The files of `security.tls`, on the host; the first bundle of the host's trust store where it names none. */
export function tlsFiles(settings: NodeSettings | Manifest, host: Host): WantedFiles {
  const { trustStore, certificate, privateKey } =
    ('security' in settings ? settings.security.tls : settings.tls) ?? {};
  return {
    trustStore: trustStore ?? trustBundles.find((path) => isThere(path, host)),
    certificate,
    privateKey,
  };
}

export function isThere(path: string, host: Host): boolean {
  return host.stat(`${hostRoot}${path}`)?.kind === 'file';
}

/** @throws MounterError for a file that is missing: tlshd would say nothing of it, and take another trust store. */
function checkedFiles(kind: TlsKind, target: string, { host, manifest }: ServicesContext): TlsFiles {
  const files = tlsFiles(manifest, host);
  const { trustStore, certificate, privateKey } = files;
  const fail = (message: string, hint: string, errorClass: 'tls' | 'client-certificate' = 'tls') =>
    new MounterError(message, { subject: target, status: exitCode.mountFailure, errorClass, hint });
  if (trustStore === undefined)
    throw fail(
      'this node has no certificates that it trusts, and the server of a mount with TLS needs one',
      `take xprtsec=${kind} out of mountOptions, and nothing is encrypted; or set security.tls.trustStore in node-settings.json to a PEM file with the certificate of the server's CA`,
    );
  if (kind === 'mtls' && (certificate === undefined || privateKey === undefined))
    throw fail(
      'xprtsec=mtls needs a certificate of this node, and the settings name none',
      'set security.tls.certificate and security.tls.privateKey in node-settings.json; or ask for xprtsec=tls, where the server wants no certificate',
      'client-certificate',
    );
  const wanted = { trustStore, ...(kind === 'mtls' ? { certificate, privateKey } : {}) };
  for (const [name, path] of Object.entries(wanted))
    if (path !== undefined && !isThere(path, host))
      throw fail(
        `there is no file ${path}, which security.tls.${name} of the settings names`,
        `put it there, or change security.tls.${name} in node-settings.json`,
        name === 'trustStore' ? 'tls' : 'client-certificate',
      );
  return { ...files, trustStore };
}

/** @see tlshd.conf(5); a backslash escapes in a GKeyFile. Level 1 has the reasons of mtls as well. */
export function tlshdSettings({ trustStore, certificate, privateKey }: TlsFiles): string {
  const files = { truststore: trustStore, certificate, private_key: privateKey };
  const lines = Object.entries(files).flatMap(([name, path]) =>
    path === undefined ? [] : [`x509.${name}=${hostRoot}${path.replaceAll('\\', '\\\\')}\n`],
  );
  return `# Written by mounter, of security.tls of its settings.\n[debug]\nloglevel=1\n[authenticate.client]\n${lines.join('')}`;
}

/** Lines of sh that write them where no mount has: with the first bundle that is there, where the settings name none. */
export function writeTlshdSettings(tls: Manifest['security']['tls']): string {
  const { trustStore, certificate, privateKey } = tls;
  const stores = trustStore === undefined ? trustBundles : [trustStore];
  const mark = '/TRUST-STORE';
  const text = tlshdSettings({ trustStore: mark, certificate, privateKey });
  const [before = '', after = ''] = text.split(mark);
  return `[ -e ${tlshdSettingsFile} ] || {
  for store in ${stores.map(shellQuoted).join(' ')}; do [ ! -f "${hostRoot}$store" ] || break; done
  (umask 077; printf '%s%s%s' ${shellQuoted(before)} "$store" ${shellQuoted(after)} >${tlshdSettingsFile})
}`;
}

/** A file as long as the limit takes no more; each mount that finds it long begins it anew. */
const longBytes = 64 * 1024;

/**
 * For sh -c: starts tlshd, its argument, and starts it again when it ends, unless it cannot run at all: at once where it
 * was killed, and every 3 s where it dies each time. Whoever holds the lock does so: there is one at most, whatever is
 * killed in whatever order.
 */
export const keepTlshd = `umask 077
printf %s ${keeperName} >/proc/self/comm
exec 8>>${locksDirectory}/tlshd || exit
flock -n 8 || exit 0
exec >>${tlshdLog} 2>&1
trap "" XFSZ
ulimit -f 2048
echo -900 >/proc/self/oom_score_adj
failed=0 killed=0
while [ $failed -lt 3 ]; do
  began=$(date +%s)
  "$@" 8>&-
  status=$?
  if [ $(($(date +%s) - began)) -ge 3 ]; then failed=0 killed=0
  elif [ $status -lt 128 ]; then failed=$((failed + 1))
  elif [ $killed -lt 10 ]; then killed=$((killed + 1))
  else sleep 3 8>&-; fi
done`;

/**
 * Has a tlshd listen, with today's settings: the host's own where there is one, else that of our rootfs, which is started
 * where none runs, and in the place of one that is deaf.
 * @param target the mount it is for; errors are about it.
 * @returns the owner of the one that listens.
 * @throws MounterError (mount failure) where none does.
 */
export async function provideTlshd(
  kind: TlsKind,
  target: string,
  context: ServicesContext,
): Promise<Tlshd['owner']> {
  const { host } = context;
  const found = await settled(context);
  const hosts = found.find(({ owner }) => owner === 'host');
  if (hosts !== undefined) {
    if (!hosts.isListening) throw deafHost(hosts, target);
    return 'host';
  }
  const isChanged = writeSettings(tlshdSettings(checkedFiles(kind, target, context)), host);
  if ((host.stat(tlshdLog)?.size ?? 0) > longBytes) await emptyLog(context);
  if (isWell(found) && !isChanged) return 'rootfs';
  if (
    !mayTakeHandshakes('CapBnd', host.readText('/proc/self/status') ?? '') &&
    !hasUnit(serviceOf('tlshd'), host)
  )
    throw notAllowed(target);
  for (const { pid } of found) host.kill(pid, 'SIGKILL');
  await provideSecurityServices('tls', target, context);
  return 'rootfs';
}

function isWell(found: readonly Tlshd[]): boolean {
  return found.length === 1 && found.every(({ isListening, isKept }) => isListening && isKept);
}

/** One that has something unread may be about to read it. */
async function settled(context: ServicesContext): Promise<readonly Tlshd[]> {
  const found = findTlshds(context);
  if (found.every(({ isListening }) => isListening)) return found;
  await context.host.sleep(200);
  return findTlshds(context);
}

function writeSettings(text: string, host: Host): boolean {
  if (host.readText(tlshdSettingsFile) === text) return false;
  host.replaceText(tlshdSettingsFile, text, 0o600);
  return true;
}

/** The same file: tlshd goes on to write to it. */
async function emptyLog({ host, layout, signal }: ServicesContext): Promise<void> {
  const inside = rootfsEntrance(layout.rootfs, host);
  await host.run({ argv: ['sh', '-c', `: >${tlshdLog}`], inside, deadlineMs: 1000, terminateMs: 0, signal });
}

/**
 * Whether a process has CAP_NET_ADMIN, which is bit 12; by `CapBnd`, whether what it starts may have it.
 * @param status the text of its /proc/PID/status.
 * @see net/handshake/genl.c, GENL_ADMIN_PERM
 */
function mayTakeHandshakes(set: 'CapEff' | 'CapBnd', status: string): boolean {
  const found = status.split('\n').find((line) => line.startsWith(set));
  const low = /:\t[0-9a-f]*([0-9a-f]{4})$/.exec(found ?? '')?.[1];
  return low === undefined || (Number.parseInt(low, 16) & 0x1000) !== 0;
}

function notAllowed(target: string): MounterError {
  return new MounterError(
    'no tlshd listens, and whoever mounts here may start none: it takes CAP_NET_ADMIN',
    {
      subject: target,
      status: exitCode.mountFailure,
      errorClass: 'tls',
      hint: 'run mounter unit tls --install on this node, by which systemd starts it; or use mounter manifest csi --tls',
    },
  );
}

function deafHost({ pid }: Tlshd, target: string): MounterError {
  return new MounterError(`tlshd of this host (process ${pid}) does not listen, and TLS needs it`, {
    subject: target,
    status: exitCode.mountFailure,
    errorClass: 'tls',
    hint: `run systemctl restart tlshd; without systemd: kill -KILL ${pid}, and the next mount starts one of the rootfs`,
  });
}
