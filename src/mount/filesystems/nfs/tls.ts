import { type ErrorClass, MounterError } from '../../../errors.ts';
import { exitCode } from '../../../exit-codes.ts';
import type { FileEnd, MountHost } from '../../../host/mount-host.ts';
import { type MountEntry, readMountinfo } from '../../../host/mountinfo.ts';
import { parseIpAddress } from '../../../ip-address.ts';
import { asKernelWrites, peersOf } from '../../../services/listening-addresses.ts';
import { findTlshds, provideTlshd, type TlsKind, tlshdLog } from '../../../services/tlshd.ts';
import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { MountContext } from '../../context.ts';
import { resolveServer } from '../../probe/ask-server.ts';
import { newInquiry } from '../../probe/inquiry.ts';
import type { ProbeFailure, ServiceFinding } from '../../probe/probe-failure.ts';
import type { Asked, MountService } from '../filesystem-driver.ts';
import { word } from '../hints.ts';
import { valueIn } from '../option-readings.ts';
import { lackOfSecurity } from './lack.ts';
import { requestedMajorVersion } from './options.ts';
import { nfsServer } from './source.ts';

/** Mounts with xprtsec=tls or mtls: what tlshd says of them, and what that means. */

/** Has a tlshd listen. @throws MounterError (mount failure) where none does. */
export async function tlsService(asked: Asked, context: MountContext): Promise<MountService> {
  const { host } = context;
  const isMutual = lastOption(parseOptions(asked.options), 'xprtsec')?.value === 'mtls';
  const kind: TlsKind = isMutual ? 'mtls' : 'tls';
  const owner = await provideTlshd(kind, asked.target, context);
  const before = host.stat(tlshdLog) ?? { inode: 0, size: 0 };
  const server = nfsServer(asked.source) ?? '';
  const said = () => (owner === 'rootfs' ? saidOf(server, readLog(before, host)) : undefined);
  return {
    settle: () => settle(said, host),
    said: () => said()?.shown ?? '',
    explain: async ({ words }) => {
      const { all = [], addresses = [] } = said() ?? {};
      if (isForbidden(words) && isMountedPlain(addresses, host)) return shared(kind, server);
      return explain(words, { kind, asked, server, owner, said: all });
    },
    watch: (over) => watch(kind, server, said, context, over),
    confirm: (entry) => {
      if (lackOfSecurity(asked, entry) !== undefined) throw notMounted(asked, shared(kind, server));
      const names = namesOf(entry, host);
      const [first] = names;
      if (first !== undefined && !names.includes(server.toLowerCase()))
        throw notMounted(asked, ofOtherName(server, first));
    },
  };
}

function notMounted({ source, target }: Asked, { errorClass, why, hint }: ServiceFinding): MounterError {
  return new MounterError(`${source} is not mounted: ${why}`, {
    subject: target,
    status: exitCode.mountFailure,
    errorClass,
    hint,
  });
}

/**
 * The names by which the server of a mount was first mounted. The kernel knows a server by its address, and holds a
 * certificate against the name of the mount that a connection was made for: whoever forges an answer of DNS would have
 * another name pass for that.
 *
 * ```
 * NV SERVER   PORT USE HOSTNAME
 * v4 0a090001  801   1 files.example
 * ```
 */
function namesOf({ superOptions }: MountEntry, host: MountHost): readonly string[] {
  const [address = ''] = valueIn(superOptions, 'addr');
  const [version] = valueIn(superOptions, 'vers');
  const digits = parseIpAddress(address)?.groups.map((group) => group.toString(16).padStart(4, '0'));
  const start = `v${version?.[0]} ${digits?.join('')} `;
  const lines = (host.readText('/proc/fs/nfsfs/servers') ?? '').split('\n');
  return lines.flatMap((line) =>
    line.startsWith(start) ? line.slice(line.lastIndexOf(' ') + 1).toLowerCase() : [],
  );
}

function ofOtherName(server: string, name: string): ServiceFinding {
  return finding(
    'server-certificate',
    `this node has mounted it as ${name}, and held its certificate against that name alone`,
    `name ${word(name)} in the place of ${word(server)} in all its volumes`,
  );
}

/**
 * NFSv4 finds by itself that a server is one that it has a connection to, whatever name or address each mount has, and
 * goes on by that one, with or without TLS: xprtsec= is not heeded, and mount.nfs says success.
 */
function shared(kind: TlsKind, server: string): ServiceFinding {
  return finding(
    'tls',
    `this node has mounted ${server} without xprtsec=${kind}, by this name or another one, and NFSv4 has one connection for all mounts of a server`,
    `give xprtsec=${kind} to all volumes of ${word(server)}, and unmount those without it, which mounter status --volumes shows; or mount this one with vers=3, which has a connection of its own`,
  );
}

/** Whether the server at one of `addresses` is mounted by NFSv4 without TLS. */
function isMountedPlain(addresses: readonly string[], host: MountHost): boolean {
  return readMountinfo(host).some(
    ({ fstype, superOptions }) =>
      fstype === 'nfs4' &&
      addresses.some((address) => superOptions.includes(`addr=${address}`)) &&
      !superOptions.some((option) => option.startsWith('xprtsec=')),
  );
}

/** tlshd tells the kernel first that a handshake is over, and us a moment later. */
async function settle(said: () => Said | undefined, host: MountHost): Promise<void> {
  const until = host.now() + settleMs;
  while ((said()?.unfinished.length ?? 0) > 0 && host.now() < until) await host.sleep(25);
}

const settleMs = 1000;
const mostBytes = 256 * 1024;

function readLog(before: FileEnd, host: MountHost): string {
  try {
    return host.readEnd(tlshdLog, mostBytes, before) ?? '';
  } catch {
    return '';
  }
}

interface Said {
  /** All lines of its handshakes, without the name and number of the process, and without the server's name. */
  readonly all: readonly string[];
  /** Those that say why it has failed, as they were written, newline-terminated. */
  readonly shown: string;
  /** Of successful handshakes, as `addr=` of a mount has it. */
  readonly addresses: readonly string[];
  /** The processes of handshakes that have begun, perhaps with other servers, and not ended. */
  readonly unfinished: readonly number[];
}

/**
 * What tlshd has said of the handshakes with this server: all lines of the processes that name it at their end.
 *
 * ```
 * tlshd[1318]: Certificate owner unexpected.
 * tlshd[1318]: Handshake with 'other.example' (10.9.0.1) failed
 * tlshd[1046]: Handshake with nfs.example (10.9.0.1) was successful
 * ```
 */
export function saidOf(server: string, log: string): Said {
  const lines = log.split('\n').flatMap((text) => {
    const [, pid, words] = /^\w+\[(\d+)\]: (.*?)\s*$/.exec(text) ?? [];
    return pid === undefined || words === undefined ? [] : [{ pid, words, text }];
  });
  const isOfServer = ({ words }: { readonly words: string }) => {
    const [, name] = handshake.exec(words) ?? [];
    return name?.toLowerCase() === server.toLowerCase();
  };
  const pids = new Set(lines.filter(isOfServer).map(({ pid }) => pid));
  const ended = new Set(lines.filter(({ words }) => words.startsWith('Handshake ')).map(({ pid }) => pid));
  const own = lines.filter(({ pid }) => pids.has(pid));
  const telling = own.filter(({ words }) => isTelling.test(words) && !isNoise.test(words));
  const shown = [...new Set(telling.map(({ text }) => text.replace(/\[\d+\]/, '')))].slice(-4);
  return {
    all: own.map(({ words }) => words.replace(handshake, 'Handshake $3')),
    addresses: own.flatMap(({ words }) => {
      const [, , address = '', end] = handshake.exec(words) ?? [];
      return end === 'was successful' ? [address] : [];
    }),
    shown: shown.map((text) => `${text}\n`).join(''),
    unfinished: lines.flatMap(({ pid, words }) =>
      words.startsWith('System trust:') && !ended.has(pid) ? [Number(pid)] : [],
    ),
  };
}

const handshake = /^Handshake with '?(.*?)'? \((\S*)\) (failed|was successful)$/;
const isTelling = /^Certificate |NOT trusted|gnutls: |not accessible|failed$|^open: |error -\d+|^setsockopt/;
/** The kernel has no keys of that kind: they would be for the server's side. */
const isNoise = /^add_key: /;

interface Facts {
  readonly kind: TlsKind;
  readonly asked: Asked;
  readonly server: string;
  readonly owner: 'rootfs' | 'host';
  readonly said: readonly string[];
}

/** What mount.nfs makes of it is always the same: EACCES for each handshake that failed, EPERM for an export. */
function explain(words: string, facts: Facts): ServiceFinding | undefined {
  const { kind, asked, server, owner, said } = facts;
  const name = word(server);
  const has = (pattern: RegExp) => said.some((line) => pattern.test(line));
  const isDenied = /access denied by server|: Permission denied/.test(words);
  if (/: No such process/.test(words))
    return finding('tls', 'tlshd of this node ended meanwhile', 'mount again: it is started anew');
  if (!isDenied && !isForbidden(words)) return undefined;
  const fault = certificateFaults.find(([pattern]) => has(pattern));
  if (fault !== undefined) return finding('server-certificate', fault[1](server), fault[2](name));
  if (has(/setsockopt\(TLS_ULP\): No such file/))
    return finding(
      'node',
      'the kernel of this node has no TLS',
      'load the module tls, or boot a kernel with CONFIG_TLS',
    );
  if (has(/not accessible$|^open: |gnutls: .*(base64|ASN1|PEM)/i))
    return finding(
      'client-certificate',
      'a file of security.tls cannot be read',
      'run mounter doctor, which names it',
    );
  if (isDenied && kind === 'mtls' && has(/ was successful$|^setsockopt\(TLS_ULP\)/))
    return finding(
      'client-certificate',
      `the server ${server} does not take the certificate of this node`,
      `see the log of tlshd on ${name}: it says whether the certificate of security.tls.certificate has expired, is of a CA that the server does not trust, or does not fit security.tls.privateKey`,
    );
  if (has(/gnutls: .*\(-\d+\)|unhandled error/))
    return finding(
      'tls-not-offered',
      `the server ${server} begins TLS and breaks it off`,
      `${without(kind)}; or see on ${name} whether tlshd runs, and what its log says of its certificate and key`,
    );
  if (isForbidden(words) || has(/ was successful$/))
    return finding(
      'access-denied',
      `the server ${server} speaks TLS, and does not export this directory to this node with xprtsec=${kind}`,
      `run exportfs -v on ${name}: xprtsec= of the export has to have ${kind}${kind === 'tls' ? '; where it has mtls alone, ask for xprtsec=mtls' : ''}, and the export has to name this node`,
    );
  if (owner === 'host')
    return finding(
      'access-denied',
      `the host's own tlshd takes its handshakes, and knows why`,
      'run journalctl -t tlshd; its settings are those of /etc/tlshd.conf',
    );
  const isVersion3 = requestedMajorVersion(asked.fstype, asked.options) === '3';
  return finding(
    isVersion3 ? 'access-denied' : 'tls-not-offered',
    isVersion3
      ? `the server ${server} has no TLS, or does not export this directory to this node`
      : `the server ${server} has no TLS`,
    `${without(kind)}; or turn it on there: tlshd, and for a kernel's server Linux 6.4${isVersion3 ? `; exportfs -v on ${name} shows the exports` : ''}`,
  );
}

function isForbidden(words: string): boolean {
  return /: Operation not permitted/.test(words);
}

function without(kind: TlsKind): string {
  return `take xprtsec=${kind} out of mountOptions, and nothing is encrypted`;
}

function finding(errorClass: ErrorClass, why: string, hint: string): ServiceFinding {
  return { errorClass, why, hint };
}

/** Of tlshd's log.c, and of gnutls_certificate_verification_status_print(3), which it logs for mtls. */
const certificateFaults: readonly (readonly [
  pattern: RegExp,
  why: (server: string) => string,
  hint: (server: string) => string,
])[] = [
  [
    /^Certificate expired|uses expired certificate/,
    () => "the server's certificate has expired",
    (server) => `renew the certificate on ${server}; where it is new, see the clock of this node (date)`,
  ],
  [
    /^Certificate not activated|not yet activated/,
    () => "the server's certificate is not valid yet",
    (server) => `see the clocks of this node and of ${server} (date), and from when the certificate is valid`,
  ],
  [
    /^Certificate owner unexpected|name in the certificate does not match/,
    (server) => `the server's certificate is for other names than ${server}, which was expected`,
    (server) =>
      `mount it by a name that the certificate has, or give the server one whose subjectAltName has ${server}`,
  ],
  [
    /^Certificate (signer|signature|uses insecure|revoked|revocation|mismatch|purpose|has )|NOT trusted/,
    () => "the server's certificate is of no CA that this node trusts",
    (server) =>
      `add the certificate of the CA of ${server} to the file of security.tls.trustStore; where it names none, to the trust store of this node`,
  ],
];

/** How often its log is read, and how many handshakes may fail: the kernel tries again for as long as the mount lasts. */
const lookMs = 400;
const mostFailures = 2;
/** A handshake takes milliseconds; the kernel waits 10 s for it. */
const patienceMs = 4500;

/** While mount.nfs waits: the server breaks each handshake off, or one of the two tlshds does not answer. */
async function watch(
  kind: TlsKind,
  server: string,
  said: () => Said | undefined,
  context: MountContext,
  over: AbortSignal,
): Promise<ProbeFailure | undefined> {
  const { host } = context;
  const until = host.now() + patienceMs;
  while (!over.aborted && host.now() < until) {
    const found = brokenOff(kind, server, said());
    if (found !== undefined) return found;
    await host.sleep(lookMs);
  }
  if (over.aborted) return undefined;
  const deaf = findTlshds(context).find(({ isListening }) => !isListening);
  if (deaf !== undefined)
    return service(server, {
      errorClass: 'tls',
      why: `tlshd of this node (process ${deaf.pid}) does not answer`,
      hint: deaf.owner === 'host' ? 'run systemctl restart tlshd' : 'mount again: it is replaced',
    });
  const unfinished = unanswered(said());
  if (unfinished.length === 0) return undefined;
  const addresses = await resolveServer(server, newInquiry(context, lookMs, over));
  const peers = Array.isArray(addresses) ? addresses.map(asKernelWrites) : [];
  if (!unfinished.some((pid) => peersOf(host, pid).some((peer) => peers.includes(peer)))) return undefined;
  return service(server, {
    errorClass: 'tls-not-offered',
    why: `the server ${server} takes connections, and does not answer the handshake of TLS`,
    hint: `${without(kind)}; or see on ${word(server)} whether tlshd answers, and restart it`,
  });
}

/** The server has broken off each of several handshakes. */
export function brokenOff(kind: TlsKind, server: string, said: Said | undefined): ProbeFailure | undefined {
  const failures = said?.all.filter((line) => line.endsWith(' failed')).length ?? 0;
  if (failures < mostFailures || hasSucceeded(said)) return undefined;
  return service(server, {
    errorClass: 'tls-not-offered',
    why: `the server ${server} begins TLS and breaks it off, again and again`,
    hint: `${without(kind)}; or see on ${word(server)} whether tlshd runs, and what its log says`,
  });
}

/** The processes whose handshake may be this one, and does not end: none where this one went well. */
export function unanswered(said: Said | undefined): readonly number[] {
  return said === undefined || hasSucceeded(said) ? [] : said.unfinished;
}

/** Then the mount waits for something else, and TLS is not to be given up for it. */
function hasSucceeded(said: Said | undefined): boolean {
  return said?.all.some((line) => line.endsWith(' was successful')) ?? false;
}

function service(server: string, found: ServiceFinding): ProbeFailure {
  return { kind: 'service', server, ...found };
}
