import type { ErrorClass } from '../../errors.ts';
import type { Host } from '../../host/host.ts';
import type { FileEnd, MountHost, Privileges } from '../../host/mount-host.ts';
import type { MountEntry } from '../../host/mountinfo.ts';
import type { FilesystemKind } from '../../manifest/filesystem-kinds.ts';
import type { NodeSettings } from '../../manifest/manifest.ts';
import type { Purpose } from '../../services/services.ts';
import type { MountRequest } from '../arguments/request.ts';
import type { MountContext } from '../context.ts';
import type { Inquiry } from '../probe/inquiry.ts';
import type { IpVersion, ProbeAnswer, ProbeFailure, ServiceFinding } from '../probe/probe-failure.ts';

/**
 * All that kinds of filesystems differ in. A kind is one folder here and one line of the table in filesystems.ts;
 * nobody else asks what kind a mount is of. What most share is `plain` of plain.ts. `FilesystemTraits` is for doctor,
 * status, install and prepare, which look at all kinds. A mount loads its driver, a slow one `FilesystemProbe`, and a
 * failed one `FailureTexts`.
 */

/** What a driver is asked about: of a request, or of the plan that was made of it. */
export type Asked = Pick<MountRequest, 'fstype' | 'source' | 'target' | 'options'>;

export interface FilesystemDriver {
  readonly kind: FilesystemKind;
  readonly traits: FilesystemTraits;
  readonly options: OptionGrammar;

  /** The servers that the helper asks for the source, its own first; undefined where they cannot be told. */
  servers(asked: Asked): readonly string[] | undefined;
  /** All that the helper may ask a server for, in every reading; undefined where that cannot be told. */
  places(asked: Asked): readonly SourcePlace[] | undefined;
  /** The source as its helper decodes it, for a look at its path. */
  decodedSource(source: string): string;
  /** Whether what is mounted there is a filesystem of this kind, of this source, as far as the kernel's words tell. */
  isSameSource(asked: Asked, entry: MountEntry): boolean;
  /** What else tells that, where they do not; undefined: it is another source. */
  likeness(asked: Asked, entry: MountEntry): Likeness | undefined;
  /** What protects a mount, was asked for, and `entry` goes without, as an option; undefined: nothing. */
  lackOf(asked: Asked, entry: MountEntry): Promise<string | undefined>;

  /**
   * argv for the helper, e.g. `['/sbin/mount.nfs', 'srv:/x', '/m', '-o', 'vers=3']`. Source and target come first,
   * before getopt(3) could take them for anything else.
   * @throws MounterError (usage) for what the helper would not take as it is meant.
   * @see mount(8) "EXTERNAL HELPERS"
   */
  helperArgv(helper: string, request: MountRequest): readonly string[];
  /** Secrets that the helper takes from its environment, by the names of its variables: nobody else sees them there. */
  helperSecrets(request: MountRequest): Readonly<Record<string, string>>;
  /** The helper takes `-f`; otherwise a fake mount ends with the checks. */
  readonly hasFakeMount: boolean;
  /** What the helper keeps of root's where it mounts apart. */
  readonly privileges: Privileges;
  /** What the daemon is that the helper leaves running to serve the mount, for the name of its unit. */
  readonly daemon: string | undefined;
  /** Where that daemon writes its log, as the rootfs names it. */
  logFile(asked: Asked): string | undefined;
  /** The helper's output without what it says of being run by us. */
  withoutNoise(output: string): string;

  /** When a mount needs rpcbind and rpc.statd here. `ifNegotiated`: as `hasNegotiatedLocks` sees after the helper. */
  lockServices(asked: Pick<Asked, 'fstype' | 'options'>): LockServicesNeed;
  /** What else the options need services of this node for. */
  securityNeeds(asked: Pick<Asked, 'fstype' | 'options'>): readonly SecurityPurpose[];
  /** Whether a refusal may be for want of Kerberos, which was not asked for. @param words the helper's. */
  mayNegotiateKerberos(asked: Pick<Asked, 'options'>, words: string): boolean;
  /**
   * Has them answer. @returns what is to be asked of them while the mount is made; undefined where nothing is.
   * @throws MounterError (mount failure) where one does not answer.
   */
  provideSecurity(
    purpose: SecurityPurpose,
    asked: Asked,
    context: MountContext,
  ): Promise<MountService | undefined>;
  /** Whether the mount that was made needs them. @param entry undefined where it was made on the target itself. */
  hasNegotiatedLocks(asked: Asked, entry: MountEntry | undefined, context: MountContext): boolean;
  /** What `policy.locks` makes of the options. @throws MounterError (usage, class policy) for what it forbids. */
  applyLockPolicy(asked: Asked, policy: NodeSettings['policy']['locks']): LockPolicyOutcome;

  /** Whether `entry`, which the helper has mounted apart, is what was asked for. */
  isAsked(asked: Asked, entry: MountEntry, context: MountContext): boolean;
  /** A new mount on the target is that of the source; otherwise its line of mountinfo has to be looked at. */
  readonly isNewMountProof: boolean;

  /** The option that has the helper go by one family of addresses; undefined where it has none, or was told already. */
  familyOption(asked: Asked, family: IpVersion): string | undefined;
  /** What a slow mount asks the network; undefined where nothing can be asked. */
  probe(): Promise<FilesystemProbe | undefined>;
  failureTexts(): Promise<FailureTexts>;
}

/** What is mounted may be what was asked for, under another name: it is where one of `servers` is one of `mountedFrom`. */
export interface Likeness {
  /** Names or addresses that were asked for, without brackets. */
  readonly servers: readonly string[];
  /** Those that the kernel tells. */
  readonly mountedFrom: readonly string[];
  /** And where its directory is the one that a mount of the source leads to: the server may have symlinks. */
  readonly isOtherPath: boolean;
}

export type SecurityPurpose = Exclude<Purpose, 'locks'>;

/** A daemon of this node while a mount needs it. */
export interface MountService {
  /** Asked while the helper takes its time. @returns why the mount can come to nothing. */
  watch(over: AbortSignal): Promise<ProbeAnswer>;
  /** Waits until it has said what there is to say of a mount that has failed: for a second at most. */
  settle(): Promise<void>;
  /** What it has said of why this mount has failed, newline-terminated. */
  said(): string;
  /** What the failure is, where it is one of the daemon's. */
  explain(failed: FailedHelper): Promise<ServiceFinding | undefined>;
  /**
   * Has a look at what was mounted.
   * @throws MounterError (mount failure) where it goes without what was asked for.
   */
  readonly confirm?: (made: MountEntry) => void;
}

/** A helper that has ended by itself. */
export interface FailedHelper {
  readonly words: string;
  /** What they stand for. */
  readonly errorClass: ErrorClass;
  /** For whoever asks. */
  readonly limitMs: number;
}

export type LockServicesNeed = 'always' | 'ifNegotiated' | 'never';

export interface LockPolicyOutcome {
  readonly options: string;
  /** A sentence for stderr about what was added; empty when nothing was. */
  readonly notices: readonly string[];
}

/** A directory of a server that a mount would ask for. `policy.sources` holds its rules against it. */
export interface SourcePlace {
  /** Without brackets. */
  readonly server: string;
  /** What `path` of a rule is held against: an exported directory, or a share and the directory in it. */
  readonly path?: string;
  /** What `volume` of a rule is held against: a volume, and the directory in it. */
  readonly volume?: string;
  /** For a message: which word of the request leads there. */
  readonly says: string;
}

/** An option that was written, or what an option says in other words: `v4.1` is `vers`, `4.1`. */
export interface OptionAnswer {
  readonly name: string;
  readonly value: string | undefined;
}

/** Whether a value is what a rule names: `surely` for every reader, to let it pass; `perhaps` for one, to refuse it. */
export type ValueMatch = 'surely' | 'perhaps' | 'no';

/** How the options are read, for the rules of `policy.options`. Names are lower-case, without quotes and blanks. */
export interface OptionGrammar {
  /** False where nobody knows who reads source and options, and how. */
  readonly isReaderKnown: boolean;
  /** The rules of `policy.options.forbidden` where the manifest has none: what `@default` stands for. */
  readonly forbidden: readonly string[];
  /** Whole options that `@default` lets pass all the same, in this spelling alone. */
  readonly harmless: readonly string[];
  /** What the CSI driver gives a volume by itself: `policy.options.allowed` need not have it. */
  readonly ownOptions: readonly string[];
  /** What ends an option for one of its readers. */
  readonly separator: string | RegExp;
  /** Options whose value is a file that the helper writes. */
  readonly writtenFiles: readonly string[];
  /** Options whose value is a directory within the source: no ".." in it. */
  readonly subdirectories: readonly string[];
  /** Names that decide the same question, of which the last one given wins; besides NAME and noNAME. */
  readonly alternatives: readonly (readonly string[])[];
  /** Whether a message may show the name as it was written: it is one of the helper's. */
  isKnownName(name: string): boolean;
  /** What the option says in the words of the manifest; empty where it has no other words than its own. */
  says(option: OptionAnswer): readonly OptionAnswer[];
  /** What may come of it besides: enough to refuse it, not to allow it. */
  mayMean(option: OptionAnswer): readonly OptionAnswer[];
  matches(name: string, value: string, wanted: string): ValueMatch;
  /** Options of this name add up: none takes another back. */
  isCumulative(name: string): boolean;
  /** What type and options come to, which rules know as `vers`; `value` undefined: negotiated. Undefined: no such thing. */
  version(asked: Pick<Asked, 'fstype' | 'options'>): { readonly value: string | undefined } | undefined;
  /** @throws MounterError (usage, class bad-option) for what its readers read differently. */
  refuseUnclear(options: string): void;
}

/** What a node must have for filesystems of a kind, and how their mounts are recognized. */
export interface FilesystemTraits {
  /** The types under which the kernel lists its mounts, such as `fuse.glusterfs`. */
  readonly kernelTypes: readonly string[];
  /** Whether Linux may map the users of its mounts, for Pods with users of their own: mount_setattr(2), MOUNT_ATTR_IDMAP. */
  readonly canMapUsers: boolean;
  /** An image may bring it, and nothing is wrong with a node that cannot mount it. */
  readonly isExtra: boolean;
  /** Programs of the rootfs that its helper, or a script of ours for it, calls. */
  readonly calledPrograms: readonly string[];
  /** Files of the rootfs that are looked up for it. */
  readonly lookedUpFiles: readonly string[];
  /** Libraries of the rootfs that it cannot do without and loads by name while it runs, by the ends of their paths. */
  readonly loadedLibraries: readonly string[];
  /** The paths of all that it may load in that way. */
  readonly mayLoad: RegExp | undefined;
  /** `HELPER -V` does nothing but say a version. */
  readonly saysVersion: boolean;
  /** Its servers choose code, commands and files of the daemon, which src/guard stands against. */
  readonly isGuarded: boolean;
  /** Directories that it writes to, as the rootfs names them, besides /run and the target. */
  readonly writesTo: readonly WrittenDirectory[];
  /** How a PersistentVolume of a CSI driver names what is mounted; undefined where it cannot. */
  readonly volume: VolumeNames | undefined;
  /** This node runs rpcbind and rpc.statd for some of its mounts. */
  readonly hasLockServices: boolean;
  /** Its servers tell nodes apart by their host name, or by the NFSv4 client id where that is set. */
  readonly isToldApartByName: boolean;
  /** Whether this mount holds locks that rpcbind and rpc.statd are needed for. */
  needsLockServices(entry: MountEntry): boolean;
  /** What this mount goes on needing services of this node for. */
  securityOf(entry: MountEntry): readonly SecurityPurpose[];
  /** The daemons that serve its mounts, and run in one of `directories`, which are versions of the rootfs. */
  daemons(host: Host, directories: readonly string[]): readonly FilesystemDaemon[];
}

export interface VolumeNames {
  /** The one of its `volumeAttributes` that has a path at the server, or below it, as its value. */
  readonly attribute: 'share' | 'volume';
  readonly isAbsolute: boolean;
  /** @param server as that attribute has it. */
  asked(server: string, path: string): Pick<Asked, 'source'> & { readonly options: readonly string[] };
}

export interface WrittenDirectory {
  readonly path: string;
  /** What needs it, such as `the logs of glusterfs`. */
  readonly user: string;
  /** What a full disk there means for its mounts. */
  readonly full: 'failing' | 'warning';
}

export interface FilesystemDaemon {
  readonly pid: number;
  /** Where its mount is, as it was told. */
  readonly target: string;
}

/** What a mount came to, as the kernel lists it: nobody is asked. */
export interface Granted {
  /** Such as `4.2`. */
  readonly version: string;
  /** The flavour of RPC: `sys`, `krb5`, `krb5i`, `krb5p`. */
  readonly security: string;
  /** `tcp`, `udp` or `rdma`; by IPv6 with a 6 behind it. */
  readonly transport: string;
  readonly tls: 'none' | 'tls' | 'mtls';
  /** At most, in one request. */
  readonly readBytes: number;
  readonly writeBytes: number;
  /** To its server, which other mounts share. */
  readonly connections: number;
  /** Who knows of a lock: the server, or this node alone; `flock` and `posix`: of those this node alone. */
  readonly locks: 'server' | 'node' | 'flock' | 'posix';
}

/** Where a mount has less than its options asked for. */
export interface Shortfall {
  /** As options have it. */
  readonly option: string;
  readonly asked: string;
  readonly got: string;
  /** A sentence without its full stop. */
  readonly why: string;
}

/** What tells that of the mounts of a kind. */
export interface GrantReader {
  granted(entry: MountEntry): Granted;
  /** @param asked as the call had it that made the mount. */
  shortfalls(asked: Pick<Asked, 'fstype' | 'options'>, granted: Granted): readonly Shortfall[];
}

/** What is asked about the servers of a mount, which changes nothing on this node. @returns undefined: nothing. */
export type FilesystemProbe = (asked: Asked) => ServerQuestion | undefined;

export interface ServerQuestion {
  /** All that the answer depends on, to be written as JSON: mounts with the same get the same answer. */
  readonly about: object;
  /** Why the mount can come to nothing. */
  ask(inquiry: Inquiry): Promise<ProbeAnswer>;
}

/** What explains a mount that has failed. */
export interface FailureTexts {
  /** The first that matches the helper's words counts. */
  readonly wordings: readonly Wording[];
  /** The next action for a class of failure, where it is another than that for most kinds. */
  readonly hints: Readonly<Partial<Record<ErrorClass, Hint>>>;
  /** What was said elsewhere: lines of the daemon's log, newline-terminated. @param before how far it was written before. */
  saidInLog(file: string, before: FileEnd, host: MountHost): string;
  /** What this node lacks, where the helper's words are explained by that. */
  lackOfNode(words: string, context: MountContext): NodeLack | undefined;
  /** The server whose name did not resolve, where it need not be that of the source. */
  unresolvedServer(words: string): string | undefined;
  /** Words that the helper has, too, where this node has no way to the server: then that is asked. */
  readonly sayNoRouteAsWell: RegExp | undefined;
  /** The helper often ends without a word about its server: then that is asked. */
  readonly isTaciturn: boolean;
}

/** What a helper says, where nothing better tells what it met. Above each stands where the helper has it from. */
export interface Wording {
  readonly pattern: RegExp;
  readonly errorClass: ErrorClass;
}

export interface NodeLack {
  /** Added to the message; undefined where the helper's words say it. */
  readonly why?: string;
  readonly hint: string;
}

/** One sentence without its full stop; undefined where the message says it already. */
export type Hint = (facts: HintFacts) => string | undefined;

/** What the next action may have to name. */
export interface HintFacts {
  readonly source: string;
  readonly target: string;
  /** Undefined where the source names none. */
  readonly server: string | undefined;
  readonly rootfs: string;
  readonly mountSeconds: number;
  /** Where a daemon of this mount says why, on the host. */
  readonly logFile: string | undefined;
  readonly probeFailure: ProbeFailure | undefined;
  readonly options: string;
}
