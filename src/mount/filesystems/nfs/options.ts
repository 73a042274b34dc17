import { MounterError } from '../../../errors.ts';
import { exitCode } from '../../../exit-codes.ts';
import { lastOption, type MountOption, parseOptions } from '../../arguments/options.ts';
import type { OptionAnswer, OptionGrammar, ValueMatch } from '../filesystem-driver.ts';
import { plain } from '../plain.ts';

/**
 * The one reading of NFS options, for policies, lock services and questions to a server: that of nfs-utils 2.6.2
 * (utils/mount) and of the kernel (fs/nfs/fs_context.c of Linux 6.1 to 7.0). Each row names where it stands there.
 */

/** How mount.nfs and the kernel read options, for the rules of the manifest. */
export const nfsOptions: OptionGrammar = {
  ...plain.options,
  ownOptions: ['nosharecache'],
  isKnownName,
  says: nfsAnswers,
  mayMean: nfsConsequences,
  matches: (name, value, wanted) =>
    name === 'sec' ? matchFlavors(value, wanted) : plain.options.matches(name, value, wanted),
  // All flavours that are named may be used.
  isCumulative: (name) => name === 'sec',
  version: ({ fstype, options }) => ({ value: requestedVersion(fstype, options) }),
  refuseUnclear: refuseUnclearVersion,
};

interface Row {
  /** The option says this, as if it were written so. */
  readonly says?: (value: string | undefined, name: string) => readonly OptionAnswer[];
  /** This may come of it, where no other option says otherwise: a reason to refuse it, and none to allow it. */
  readonly mayMean?: (value: string | undefined) => readonly OptionAnswer[];
}

const version: Row = { says: (value) => [{ name: 'vers', value }] };
const versionInName: Row = { says: (_, name) => [{ name: 'vers', value: name.slice(1) }] };
const transport: Row = { says: (value) => transports('proto', value) };
const transportInName: Row = { says: (_, name) => transports('proto', name) };
const version3Alone: Row = { mayMean: () => [version3] };
const version3: OptionAnswer = { name: 'vers', value: '3' };

const rows: Readonly<Record<string, Row>> = {
  // network.c nfs_nfs_version(), over nfs_version_opttbl; fs_context.c Opt_vers, nfs_vers_tokens
  vers: version,
  nfsvers: version,
  // the same, which takes everything that begins so; fs_context.c Opt_v: nfs_parse_version_string(key + 1)
  v2: versionInName,
  v3: versionInName,
  v4: versionInName,
  // network.c nfs_nfs_version(): of vers=4, v4 and the type nfs4 alone; fs_context.c Opt_minorversion
  minorversion: { says: (value) => (value === undefined ? [] : [{ name: 'vers', value: `4.${value}` }]) },
  // stropts.c nfs_set_version() and nfs_do_mount_v4(): options of the MOUNT protocol, which v4 has not, ask for v3
  mounthost: version3Alone,
  mountaddr: version3Alone,
  mountport: version3Alone,
  mountproto: { ...version3Alone, says: (value) => transports('mountproto', value) },
  // the same; and network.c mntvers_to_nfs(): version 1 and 2 of MOUNT hand out files of NFSv2
  mountvers: {
    mayMean: (value) => (value === '3' ? [version3] : [version3, { name: 'vers', value: '2' }]),
  },
  // network.c nfs_nfs_protocol(), the last of nfs_transport_opttbl; fs_context.c Opt_proto, nfs_xprt_protocol_tokens
  proto: transport,
  tcp: transportInName,
  udp: transportInName,
  rdma: transportInName,
  // fs_context.c nfs_parse_security_flavors(): a list, and a second sec= adds to it; null is none
  sec: {
    says: (value) => [{ name: 'sec', value: value === undefined ? undefined : flavors(value).join(':') }],
  },
};

/** As network.c po_contains_prefix() finds a version, in its order: `versx=3`, `v3=x` and `v4.01` are versions too. */
const versionPrefixes = ['v2', 'v3', 'v4', 'vers', 'nfsvers'];

/** tcp6 is tcp, by IPv6. @see network.c nfs_nfs_proto_family() */
function transports(name: string, value: string | undefined): readonly OptionAnswer[] {
  const answer = { name, value };
  return value?.endsWith('6') ? [answer, { name, value: value.slice(0, -1) }] : [answer];
}

function matchFlavors(value: string, wanted: string): ValueMatch {
  const named = flavors(wanted);
  const asked = flavors(value);
  if (asked.length > 0 && asked.every((flavor) => named.includes(flavor))) return 'surely';
  const inLowerCase = flavors(wanted.toLowerCase());
  return flavors(value.toLowerCase()).some((flavor) => inLowerCase.includes(flavor)) ? 'perhaps' : 'no';
}

/** Any of which may be used. */
function flavors(value: string): readonly string[] {
  return value
    .split(':')
    .filter((flavor) => flavor !== '')
    .map((flavor) => (flavor === 'null' ? 'none' : flavor));
}

function nfsAnswers({ name, value }: OptionAnswer): readonly OptionAnswer[] {
  return rowOf(name)?.says?.(value, name) ?? [];
}

function nfsConsequences({ name, value }: OptionAnswer): readonly OptionAnswer[] {
  return rowOf(name)?.mayMean?.(value) ?? [];
}

function isKnownName(name: string): boolean {
  return Object.hasOwn(rows, name);
}

function rowOf(name: string): Row | undefined {
  if (isKnownName(name)) return rows[name];
  // Every mount asks this of many names, and nearly none is a version.
  if (!name.startsWith('v') && !name.startsWith('nfs')) return undefined;
  const prefix = versionPrefixes.find((begin) => name.startsWith(begin));
  return prefix === undefined ? undefined : rows[prefix];
}

/** The version as all readers take it; in the name only those that the kernel has a name for. */
const plainVersion = /^(?:(?:nfs)?vers=(?:[234]|4\.(?:0|[1-9]\d*))|v(?:[23]|4(?:\.[012])?))$/;
const plainMinorVersion = /^minorversion=(?:0|[1-9]\d*)$/;

/**
 * The option that says the version in a way that mount.nfs and the kernel read differently, or is one too many. With
 * `sloppy` the kernel ignores what mount.nfs has gone by: `v4.01` is v4.1 for the one and v3 for the other.
 * @returns its name, of letters as mount.nfs knows them; undefined when all is plain.
 */
export function unclearVersion(options: string): string | undefined {
  const pieces = options.split(',');
  const versions = pieces.flatMap((text) => {
    const prefix = versionPrefixes.find((begin) => nameOf(text).startsWith(begin));
    return prefix === undefined ? [] : [{ text, prefix }];
  });
  const minors = pieces.filter((text) => nameOf(text).startsWith('minorversion'));
  const unclear = versions.find(({ text }) => !plainVersion.test(text)) ?? versions[1];
  if (unclear !== undefined) return unclear.prefix;
  const isUnclear = minors.length > 1 || minors.some((text) => !plainMinorVersion.test(text));
  return isUnclear ? 'minorversion' : undefined;
}

/** What is read in two ways can be held against no policy. */
function refuseUnclearVersion(options: string): void {
  const subject = unclearVersion(options);
  if (subject === undefined) return;
  throw new MounterError(
    'asks for a version of NFS that there is not, for more than one, or in a way that mount.nfs and the kernel read differently',
    {
      subject,
      status: exitCode.usage,
      errorClass: 'bad-option',
      hint: 'name the version once, as vers=3, vers=4.1 or vers=4.2',
    },
  );
}

function nameOf(text: string): string {
  return text.replace(/["'\\\s]/g, '').toLowerCase();
}

/**
 * The version that mount.nfs asks for: '3', '4.1', or '4' for what it finds to be the newest of v4. Undefined when
 * it tries 4.2, 4.1, 4.0, then 3; and where `unclearVersion` names an option.
 * @param fstype `nfs4` is v4 only as long as no option says otherwise.
 */
export function requestedVersion(fstype: string, options: string): string | undefined {
  const parsed = parseOptions(options);
  const told = parsed.findLast(({ text }) => plainVersion.test(text));
  const value = told === undefined ? undefined : (nfsAnswers(told)[0]?.value ?? '');
  if (value === undefined && fstype !== 'nfs4') return asksForVersion3(parsed) ? '3' : undefined;
  const minor = lastOption(parsed, 'minorversion')?.value;
  return value === undefined || value === '4' ? `4${minor === undefined ? '' : `.${minor}`}` : value;
}

/** '3' of `vers=3` or `mountvers=3`, '4' of `v4.1`; undefined when it is left to negotiation. */
export function requestedMajorVersion(fstype: string, options: string): string | undefined {
  return requestedVersion(fstype, options)?.split('.')[0];
}

/** Whether v4 has no such thing as this option is about. */
export function isOfVersion3Alone(option: MountOption): boolean {
  return nfsConsequences(option).includes(version3);
}

function asksForVersion3(options: readonly MountOption[]): boolean {
  return options.some(isOfVersion3Alone);
}

/** `tcp`, `udp`, `rdma` or whatever was asked for; undefined where it is left to mount.nfs, which begins with TCP. */
export function requestedTransport(options: readonly MountOption[]): string | undefined {
  return lastAnswer(lastOption(options, 'proto', 'tcp', 'udp', 'rdma'));
}

/** The same for the MOUNT protocol of v3. */
export function requestedMountTransport(options: readonly MountOption[]): string | undefined {
  return lastAnswer(lastOption(options, 'mountproto'));
}

function lastAnswer(option: MountOption | undefined): string | undefined {
  return option === undefined ? undefined : nfsAnswers(option).at(-1)?.value;
}

/**
 * The last option that keeps locks on this node. What is not spelled exactly so takes nothing back: with `sloppy` the
 * kernel ignores it.
 * @see fs_context.c Opt_lock, Opt_local_lock: nolock sets what local_lock=all sets, and lock clears both
 */
export function localLockOption(options: string): 'nolock' | 'local_lock' | undefined {
  let found: 'nolock' | 'local_lock' | undefined;
  for (const text of options.split(',')) {
    const name = nameOf(text);
    if (text === 'lock') found = undefined;
    else if (text === 'local_lock=none') found = found === 'nolock' ? found : undefined;
    else if (name === 'nolock' || name.startsWith('nolock=')) found = 'nolock';
    else if (name === 'local_lock' || name.startsWith('local_lock=')) found ??= 'local_lock';
  }
  return found;
}
