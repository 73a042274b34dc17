import * as v from 'valibot';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { parseJsonText } from '../json.ts';
import { nearest } from '../nearest.ts';
import {
  absolutePath,
  digest,
  ipAddress,
  readAheadKib,
  seconds,
  secondsOrNone,
  section,
  sha256,
} from './fields.ts';
import { kindNames } from './filesystem-kinds.ts';
import { policy } from './policy.ts';
import { defaultPlace } from './record-place.ts';
import { withTodaysNames } from './renamed.ts';
import { security } from './security.ts';
import { isIdentityMount } from './shared-mounts.ts';

/**
 * rootfs-manifest.json, which drives the build (`scripts/rootfs.ts`), the check at install, and the mount. This is its
 * only definition; `npm run build` writes it as a JSON schema.
 */

const architecture = v.picklist(['amd64', 'arm64']);

/** Of every architecture the same, or by architecture. A node's manifest is of one, and has the first alone. */
function byArchitecture<const One extends v.GenericSchema<unknown, string>>(one: One) {
  return v.union([one, section({ amd64: v.optional(one), arm64: v.optional(one) })]);
}

/** A version that one architecture alone has is a line of its own. */
const debianPackage = section({
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9+.-]+$/, 'must be a Debian package name')),
  version: v.pipe(v.string(), v.minLength(1, 'must not be empty')),
  sha256: byArchitecture(sha256),
});

/** What `npm run rootfs` puts into the tar, and what came out of it. */
const rootfs = section({
  name: v.string(),
  suite: v.string(),
  /** Of this rootfs; in the manifest of a build those that it has pins for. */
  architecture: v.union([architecture, v.array(architecture)]),
  /** What is asked for; `packages` are those of their closure that something is taken from. */
  include: v.array(v.string()),
  packages: v.array(debianPackage),
  /** The time of every entry of the tar, in seconds since 1970. */
  epoch: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  /**
   * Paths kept, relative to `/`; a directory is kept whole, `*` is anything within a name. Their libraries
   * come along by themselves.
   */
  files: v.array(v.string()),
  /** The same three for a kind of filesystem, taken as well where `filesystems` has a type of that kind. */
  optional: v.optional(
    v.record(
      v.string(),
      section({ include: v.array(v.string()), packages: v.array(debianPackage), files: v.array(v.string()) }),
    ),
  ),
  /** Paths dropped from directories that are kept. */
  exclude: v.array(v.string()),
  /** Of the uncompressed tar, without `optional`: the same on every machine, whatever its zstd. */
  digest: v.optional(byArchitecture(digest)),
  /** Of the published image's manifest, by architecture: what `npm run image` printed, pinned. */
  image: v.optional(section({ amd64: v.optional(digest), arm64: v.optional(digest) })),
});

const filesystem = section({
  /** The program inside the rootfs that mounts it. */
  helper: absolutePath,
  /** Which of our drivers mounts it: src/mount/filesystems. */
  kind: v.picklist(kindNames),
  /** As it is named in /proc/filesystems. */
  kernelFilesystem: v.string(),
  kernelModule: v.optional(v.string()),
  /** Device nodes the helper opens. */
  devices: v.array(absolutePath),
  /** How far the kernel reads ahead of a reader, in its mounts; left out, the kernel's own 128 KiB. */
  readAheadKib: v.optional(readAheadKib),
});

function withoutNulls<T>(record: Readonly<Record<string, T | null>>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(record).filter((entry): entry is [string, T] => entry[1] !== null),
  );
}

const daemon = section({
  path: absolutePath,
  /** As execve(2) takes them: its words end at a NUL. */
  arguments: v.array(v.pipe(v.string(), v.regex(/^[^\x00]*$/, 'must have no NUL in it'))),
});

const mount = section({
  /** A path on the host; for `tmpfs` there is none. */
  host: v.optional(absolutePath),
  rootfs: absolutePath,
  type: v.picklist(['bind', 'rbind', 'tmpfs']),
  access: v.picklist(['ro', 'rw']),
  propagation: v.picklist(['private', 'slave', 'shared']),
  /** A missing host path is skipped, not an error. */
  optional: v.optional(v.boolean(), false),
  /** A missing host path is made, a directory of this mode (octal). */
  create: v.optional(v.pipe(v.string(), v.regex(/^0[0-7]{3,4}$/, 'must be an octal mode such as "0755"'))),
});

const domain = v.pipe(
  v.string(),
  v.regex(
    /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/,
    'must be a domain name',
  ),
);

/** `resolver`: what stands in the rootfs's etc/resolv.conf. */
export const resolver = section({
  /**
   * - `kubelet`: what kubelet writes at its start stays. Until then `nameservers` and `searches` below come first,
   *   then the host's own.
   * - `merge`: `nameservers` and `searches` below come first, then what kubelet wrote, then the host's own, whose
   *   options are kept. Three name servers at most: glibc reads no more. It is made again when the host's changes.
   */
  mode: v.optional(v.picklist(['kubelet', 'merge']), 'kubelet'),
  /** The cluster's, e.g. `["10.96.0.10"]`. */
  nameservers: v.optional(v.array(ipAddress), []),
  /** For short names of Services: `["svc.cluster.local"]` makes `nfs.default` one. */
  searches: v.optional(v.array(domain), []),
});

/** One line takes up to 16 KiB, and what is rotated away has to stay until the slowest writer is done. */
const minimumBytes = 64 * 1024;
/** Whoever may set it is not to fill the disk of the node's own logs. */
const maximumBytes = 1e9;

/** `log`: where the record of each call goes. */
const log = section({
  to: v.optional(v.picklist(['file', 'journal', 'none']), defaultPlace.to),
  file: v.optional(absolutePath, defaultPlace.file),
  /** At about this size the file becomes FILE.1, and a new one is begun. */
  maximumBytes: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(minimumBytes, `must be at least ${minimumBytes} bytes`),
      v.maxValue(maximumBytes, `must be at most ${maximumBytes} bytes`),
    ),
    defaultPlace.maximumBytes,
  ),
});

export const manifestSchema = section({
  $schema: v.optional(v.string()),
  formatVersion: v.literal(1),
  rootfs,
  /** fstype as kubelet and mount(8) name it → how to mount it; null: this node does not. */
  filesystems: v.pipe(
    v.record(
      v.pipe(v.string(), v.regex(/^[A-Za-z0-9._-]+$/, 'must be a filesystem type')),
      v.nullable(filesystem),
    ),
    v.transform(withoutNulls),
  ),
  daemons: section({
    rpcbind: daemon,
    statd: daemon,
    /** For mounts with Kerberos or TLS; an older image has none of the three. */
    gssd: v.optional(daemon),
    idmapd: v.optional(daemon),
    tlshd: v.optional(daemon),
    /** The program mount.nfs runs when it finds no rpc.statd; `mounter prepare` puts its own there. */
    startStatd: absolutePath,
  }),
  mounts: section({
    /** `shared` ones are identity mounts: targets are accepted below them alone. */
    mounter: v.pipe(
      v.array(mount),
      v.check(
        (mounts) => mounts.some(isIdentityMount),
        'needs a shared mount whose host path and rootfs path are the same: the kubelet directory',
      ),
    ),
    /** What of the host a kubelet in an image has even where the image has it too; all that is nowhere else, it has anyhow. */
    kubelet: v.optional(v.array(mount), []),
  }),
  limits: section({
    /** A helper that has not ended by then is asked after: does its server's name resolve, does its port answer? */
    probeAfterSeconds: v.optional(seconds, 1),
    /** For those questions, all together. */
    connectSeconds: v.optional(seconds, 5),
    /**
     * A server that was found not to be reachable fails the next calls to it at once, for so long; 0 turns that
     * off.
     */
    failureCacheSeconds: v.optional(secondsOrNone, 5),
    /** The whole of one mount; below kubelet's 2 min 3 s. */
    mountSeconds: seconds,
    /** A daemon from its start to its first answer. */
    daemonSeconds: seconds,
    /** From SIGTERM to SIGKILL. */
    terminateSeconds: seconds,
  }),
  /**
   * - `attach`: a mount is made apart, in a mount namespace that sees nothing of the host, and attached to its target
   *   in one call. `namespace` is an older name for it. Before Linux 5.2 it is `chroot`.
   * - `chroot`: the kubelet directory is shared into the rootfs, and a helper mounts on the target itself.
   */
  enter: v.optional(v.picklist(['attach', 'chroot', 'namespace']), 'attach'),
  /** False turns the mounter off on this node: a call is then the host's own mount(8), and nothing else. */
  enabled: v.optional(v.boolean(), true),
  policy: v.optional(policy, {}),
  resolver: v.optional(resolver, {}),
  log: v.optional(log, {}),
  security: v.optional(security, {}),
});

export type Manifest = v.InferOutput<typeof manifestSchema>;
/** What the node goes by; the rest of the manifest is for the build and the install. */
export type NodeSettings = Pick<
  Manifest,
  'filesystems' | 'limits' | 'enabled' | 'policy' | 'resolver' | 'log'
> & {
  readonly daemons: Pick<Daemons, 'rpcbind' | 'statd' | 'startStatd'>;
  readonly mounts: { readonly mounter: readonly SeenMount[] };
  /** `security.tls`, where there is anything in it. */
  readonly tls?: Manifest['security']['tls'];
};
export type Daemons = Manifest['daemons'];
/** Of a mount, where the rootfs has what of the host's, and who else sees what is mounted in it. */
export type SeenMount = Pick<ManifestMount, 'host' | 'rootfs' | 'propagation'>;
export type Filesystem = v.InferOutput<typeof filesystem>;
export type ManifestMount = v.InferOutput<typeof mount>;
export type DebianPackage = v.InferOutput<typeof debianPackage>;

/**
 * The manifest in `text`.
 * @param path where the text came from, for messages only.
 * @throws MounterError (system) that names the field by its path, e.g. `filesystems.nfs.helper`.
 */
export function parseManifest(text: string, path: string): Manifest {
  let json: unknown;
  try {
    json = parseJsonText(text);
  } catch (error) {
    throw new MounterError((error as Error).message, {
      subject: path,
      status: exitCode.system,
      hint: 'mend the file, or run mounter install SOURCE again',
      cause: error,
    });
  }
  const result = v.safeParse(manifestSchema, withTodaysNames(json), { abortEarly: true });
  if (result.success) return result.output;
  const { names, message } = describeIssue(result.issues[0]);
  throw new MounterError(`${names.join('.') || 'the whole file'}: ${message}`, {
    subject: path,
    status: exitCode.system,
    hint: 'mend this field, or run mounter install SOURCE again',
  });
}

/** Where it is, and what is wrong there. A setting that belongs into another section is named with that. */
export function describeIssue(issue: v.BaseIssue<unknown>): {
  readonly names: readonly string[];
  readonly message: string;
} {
  const names = (issue.path ?? []).map(({ key }) => String(key));
  // Of a union: what is wrong within the one that it is like.
  const inner = issue.issues?.find(({ path }) => path !== undefined);
  if (inner !== undefined) {
    const within = describeIssue(inner);
    return { ...within, names: [...names, ...within.names] };
  }
  const isFar = isUnknownName(issue) && !issue.message.includes('did you mean');
  const elsewhere = isFar ? settingNamed(names.at(-1) ?? '') : undefined;
  const message = wordMessage(issue) ?? typeMessage(issue) ?? issue.message;
  return {
    names,
    message: elsewhere === undefined ? message : `${message}; did you mean ${elsewhere}?`,
  };
}

const nouns: Readonly<Record<string, string>> = {
  Array: 'a list',
  Object: 'an object',
  boolean: 'true or false',
  number: 'a number',
  string: 'a text in quotes',
};

/** Of a value of another type. */
function typeMessage({ kind, expected, input, received }: v.BaseIssue<unknown>): string | undefined {
  const noun = kind === 'schema' && input !== undefined ? nouns[expected ?? ''] : undefined;
  return noun === undefined ? undefined : `must be ${noun}, and is ${nouns[received] ?? received}`;
}

export function isUnknownName({ type, expected }: v.BaseIssue<unknown>): boolean {
  return type === 'strict_object' && expected === 'never';
}

/** Of a setting that is one of some words, and was given another. */
function wordMessage({ type, expected, input }: v.BaseIssue<unknown>): string | undefined {
  if (type !== 'picklist' && type !== 'union') return undefined;
  const words = [...(expected ?? '').matchAll(/"([^"]*)"/g)].map(([, word = '']) => word);
  if (words.length === 0 || typeof input !== 'string') return undefined;
  const near = nearest(input, words);
  const others = expected?.includes('Array') ? ', or a list' : '';
  return `must be one of ${words.join(', ')}${others}${near === undefined ? '' : `; did you mean ${near}?`}`;
}

/** The path of the first setting of that name, in whatever section; `rootfs` has none. */
export function settingNamed(name: string, schema: unknown = manifestSchema, at = ''): string | undefined {
  const { entries, wrapped } = schema as {
    readonly entries?: Readonly<Record<string, unknown>>;
    wrapped?: unknown;
  };
  if (wrapped !== undefined) return settingNamed(name, wrapped, at);
  for (const [member, inner] of Object.entries(entries ?? {})) {
    const path = `${at}${member}`;
    const found =
      member === name ? path : path === 'rootfs' ? undefined : settingNamed(name, inner, `${path}.`);
    if (found !== undefined) return found;
  }
  return undefined;
}
