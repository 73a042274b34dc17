import * as v from 'valibot';
import { absolutePath, ipAddress, section } from './fields.ts';
import { type FilesystemKind, kindNames } from './filesystem-kinds.ts';
import { isServerPattern } from './server-pattern.ts';

/**
 * `NAME` (whatever its value), `NAME=VALUE`, or `PREFIX*` for all names that begin so. Matched without regard
 * to case, and over the spellings that a helper takes for the same: `vers=3` is `nfsvers=3`, `v3` and `mountvers=3`
 * too, `sec=krb5` is in `sec=sys:krb5` (src/mount/filesystems/nfs/options.ts).
 */
const optionEntry = v.pipe(
  v.string(),
  v.regex(
    /^(@default|[A-Za-z0-9_][A-Za-z0-9._-]*(\*|=[^,"\s]+)?)$/,
    'must be NAME, NAME=VALUE or PREFIX*, one option each',
  ),
);

const optionRules = {
  /** When given, no other option may be used; one that is spelled in another case is another. */
  allowed: v.optional(v.array(optionEntry)),
  /**
   * In place of the default list of its driver (src/mount/filesystems), which `@default` stands for: write
   * `["@default", "nolock"]` to add to it. It refuses options, and not what comes of none: without `vers=` a mount
   * may come out as v3, without `sec=` as sys, which `required` is for.
   */
  forbidden: v.optional(v.array(optionEntry)),
  /** A mount that lacks one, or takes it back (`nosuid,suid`, `sec=krb5p:sys`), is refused. None is added silently. */
  required: v.optional(v.array(optionEntry)),
};

const rulesOfKind = v.optional(section(optionRules));

/** Rules for every mount; those under a kind of filesystem apply to its mounts as well. */
const options = section({
  ...optionRules,
  ...(Object.fromEntries(kindNames.map((kind) => [kind, rulesOfKind])) as {
    readonly [Kind in FilesystemKind]: typeof rulesOfKind;
  }),
});

/** Parts between single slashes, none of them `.` or `..`. */
const directory = v.pipe(
  v.string(),
  v.regex(
    /^\/?[^/\x00-\x1f]+(\/[^/\x00-\x1f]+)*$|^\/$/,
    'must be a path without repeated or trailing slashes',
  ),
  v.regex(/^(?!(.*\/)?\.\.?(\/|$))/, 'must be a path without "." or ".." parts'),
);

const namespacePattern = v.pipe(
  v.string(),
  v.regex(
    /^(@unknown|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?|[a-z0-9][a-z0-9-]{0,61}\*)$/,
    'must be a namespace, PREFIX*, or @unknown',
  ),
);

/** What may be mounted; all that is given has to fit. */
const allowedSource = v.pipe(
  section({
    /**
     * A host name, `*.DOMAIN` for all names that end so, an IP address, or a range of them (`10.1.0.0/16`). As it
     * is written in the source: a name is not looked up, and so is in no range.
     */
    server: v.optional(
      v.pipe(
        v.string(),
        v.check(
          isServerPattern,
          'must be a host name, *.DOMAIN, an IP address or a range such as 10.1.0.0/16',
        ),
      ),
    ),
    /** Of an NFS export: this path, and all below it. */
    path: v.optional(v.pipe(directory, v.startsWith('/', 'must begin with a slash'))),
    /** Of GlusterFS: this volume, or `VOLUME/DIRECTORY` and all below it. */
    volume: v.optional(
      v.pipe(directory, v.regex(/^[^/]/, 'must be VOLUME or VOLUME/DIRECTORY, without a slash before it')),
    ),
    /** Filesystem types; all if left out. An entry with nothing else allows every source of them. */
    types: v.optional(v.pipe(v.array(v.string()), v.minLength(1, 'must name a type'))),
    /**
     * Pods of these namespaces alone; all if left out. `PREFIX*` is all that begin so. Who the Pod is, CSI tells. A mount
     * whose asker is not known, by kubelet's flag or by hand, is allowed where `@unknown` is among them. What a CSI
     * driver mounts once for all Pods may be of any; each Pod is asked about when it gets it.
     */
    namespaces: v.optional(
      v.pipe(v.array(namespacePattern), v.minLength(1, 'must name a namespace; leave it out for all')),
    ),
    /** Also where it is inline in a Pod, by CSI: then whoever writes the Pod chooses source and options. */
    inline: v.optional(v.boolean()),
  }),
  v.check(
    ({ path, volume }) => path === undefined || volume === undefined,
    'has both a path, for NFS, and a volume, for GlusterFS: write two entries',
  ),
  v.check(
    (entry) => Object.keys(entry).some((name) => name !== 'inline'),
    'must say something: server, path, volume, types or namespaces',
  ),
);

/** Which images are installed only when they are signed. Of several prefixes of a name the longest decides. */
const imageRule = v.pipe(
  section({
    /** A registry, or one and whole parts of the name behind it: `registry.example/team`; `*` is for all. */
    prefix: v.pipe(
      v.string(),
      v.regex(
        /^(\*|[A-Za-z0-9.[\]:-]+(\/[a-z0-9._-]+)*\/?)$/,
        'must be a registry such as registry.example, with parts of a name behind it or without; or *',
      ),
    ),
    /** Files with a public key each, on the node; one of them will do. */
    keys: v.optional(v.pipe(v.array(absolutePath), v.minLength(1, 'must name a file with a public key'))),
    /** False makes an exception of what a shorter prefix asks for. */
    require: v.optional(v.boolean(), true),
  }),
  v.check(
    ({ keys, require }) => !require || keys !== undefined,
    'has no keys: name files, or say "require": false',
  ),
);
export type ImageRule = v.InferOutput<typeof imageRule>;

/** `policy`: what a mount may ask for on this node, and what is installed. */
export const policy = section({
  /**
   * A mount that may come out as NFSv3 needs locks that work, for which this node runs rpcbind and rpc.statd.
   * v4 has locks of its own: nothing here touches a mount that asks for it.
   * - `require`: `nolock` and `local_lock` are refused, also without a version, which may be negotiated down to v3.
   * - `allow-nolock`: as the options say.
   * - `add-nolock`: v3, or no version, gets `nolock` unless `lock` is among the options, and the call says so.
   *   Programs on two nodes may then hold one lock at once. Where v4 is negotiated `nolock` has no effect.
   */
  locks: v.optional(v.picklist(['require', 'allow-nolock', 'add-nolock']), 'allow-nolock'),
  /**
   * On which addresses the rpcbind that mounter starts takes questions by UDP, at port 111; from its next start
   * on. TCP stays open on all of them: rpcbind has no setting for it, and a forged question can't come by TCP.
   * - `any`: on all. Whoever reaches the node can ask it, and a forged question makes it answer to a victim.
   * - `loopback`: this node alone can ask. Mounts and locks work; but servers cannot call back, so that a program
   *   which waits for a lock may get it up to half a minute after it is free, and locks held while the server
   *   reboots may be lost without notice.
   * - addresses: on these, such as the one of the storage network, and on loopback.
   */
  portmapper: v.optional(
    v.union([
      v.picklist(['any', 'loopback']),
      v.pipe(v.array(ipAddress), v.minLength(1, 'must name an address; "loopback" is for none')),
    ]),
    'any',
  ),
  options: v.optional(options, {}),
  /** What may be mounted; all if left out, and nothing by an empty list. Held against a mount before anybody is asked. */
  sources: v.optional(v.array(allowedSource)),
  /** Whose signature an image needs; none if left out. What lies in a file needs one as soon as any rule asks for one. */
  images: v.optional(v.array(imageRule)),
});

export type AllowedSource = v.InferOutput<typeof allowedSource>;

export type OptionRules = { readonly [Name in keyof typeof optionRules]?: readonly string[] | undefined };
