import * as v from 'valibot';
import { kindNames } from './filesystem-kinds.ts';
import { manifestSchema } from './manifest.ts';
import { isObject } from './renamed.ts';
import { shippedText } from './shipped.ts';

/** The settings for people: the manual page rootfs-manifest.json(5), and the descriptions of the JSON schemas. */

export interface Setting {
  /** As people write it: `limits.mountSeconds`, `mounts.*[].host`, `filesystems.TYPE.helper`. */
  readonly name: string;
  /** Of the schema, else what the manifest that we ship says; undefined where there is neither. */
  readonly default: unknown;
  /** One sentence or a few, names in code quotes. */
  readonly meaning: string;
}

/** What each means, by its name. A test holds it to be complete. */
export const meanings: Readonly<Record<string, string>> = {
  enabled: '`false`: what `mounter disable` does, by the settings. Needs settings that are valid',
  enter:
    "how a mount comes to its target: `attach`, made apart from the host and attached in one call; or `chroot`, made on the target's own path in a rootfs that shares the kubelet directory. `namespace` is an older name of `attach`. The next `mounter prepare` converts; volumes stay mounted, and calls go on",
  'limits.probeAfterSeconds':
    "when a helper runs longer than this, mounter asks beside it whether the server's name resolves, and whether its port answers",
  'limits.connectSeconds': 'for all of those questions together',
  'limits.failureCacheSeconds':
    'for how long other calls to a server that was found out of reach fail at once; `0`: they ask anew',
  'limits.mountSeconds':
    'the whole of one mount; below the 2 min 3 s that kubelet waits, else `mounter doctor` warns',
  'limits.daemonSeconds': 'how long a daemon has for its first answer',
  'limits.terminateSeconds': 'how long a helper that is ended has between SIGTERM and SIGKILL',
  'policy.sources': 'what may be mounted: a source that fits all that one entry gives; `[]` allows nothing',
  'policy.sources[].server': 'a host name, `*.DOMAIN`, an address, or a range such as `10.1.0.0/16`',
  'policy.sources[].path':
    'of NFS: the exported path, and all below it; of SMB: `/SHARE` or `/SHARE/DIRECTORY`',
  'policy.sources[].volume': 'of GlusterFS: `VOLUME` or `VOLUME/DIRECTORY`, and all below it',
  'policy.sources[].types': 'filesystem types',
  'policy.sources[].namespaces':
    'Pods of these namespaces alone, by CSI: names, `PREFIX*`, and `@unknown` for mounts of which nobody says who asks',
  'policy.sources[].inline': '`true`: also where it is inline in a Pod, by CSI',
  'policy.options.allowed': 'when given, no other mount option may be used',
  'policy.options.forbidden':
    'refused options, in every spelling: `vers=3` is `v3` and `mountvers=3` too; `@default` is the list of the filesystem. `bg` and `remount` are refused whatever it says. `mounter doctor` warns of a name that looks mistyped',
  'policy.options.required':
    'a mount that lacks one is refused; none is added silently. Without `vers=` a mount may come out as v3, without `sec=` as sys',
  'policy.options.KIND': 'the same three lists, for one kind of filesystem',
  'policy.locks':
    'NFSv3 locks: `allow-nolock` leaves the choice to each mount, `require` refuses `nolock`, `add-nolock` adds it and says so',
  'policy.portmapper':
    'where rpcbind listens by UDP: `any`, `loopback`, or a list of addresses; TCP stays open on all',
  'policy.images': 'which images have to be signed to be installed',
  'policy.images[].prefix':
    'a registry, with parts of a name behind it or without; `*` is for all. The longest that fits decides',
  'policy.images[].keys': 'files with public keys on this node; one of them has to have signed the image',
  'policy.images[].require': '`false`: those with this prefix need no signature',
  'resolver.mode':
    "what is in the rootfs's `etc/resolv.conf`. `kubelet`: what kubelet writes at its start, once it has, with the host's servers where it names none. `merge`: the cluster's servers first, then the host's",
  'resolver.nameservers':
    "the cluster's, for `merge`, and for as long as kubelet has written none. A DaemonSet's agent knows them from its Pod",
  'resolver.searches': 'search domains for short names of Services, likewise',
  'log.to': 'where the record of calls goes: `file`, `journal`, `none`',
  'log.file': 'the file of the record',
  'log.maximumBytes': 'at about this size the file becomes FILE.1, in place of the one before; 1e9 at most',
  'security.krb5.keytab': "the node's keytab, for `sec=krb5`; read by rpc.gssd alone",
  'security.krb5.config': "the node's krb5.conf; what it includes comes along",
  'security.krb5.credentialCaches':
    'the directory with tickets of users, in files `krb5cc…` that are theirs, or in directories with their numbers for names',
  'security.tls.trustStore':
    "what servers' certificates are held against; where this is not set, the machine's own trust store",
  'security.tls.certificate': "the node's certificate, for `xprtsec=mtls`",
  'security.tls.privateKey': 'the key of that certificate',
  'filesystems.TYPE': '`null`: this node does not mount it, and `mounter doctor` does not ask for it',
  'filesystems.TYPE.helper': 'the program of the rootfs that mounts it',
  'filesystems.TYPE.kind':
    'whose rules its sources and options follow: those of `nfs`, `glusterfs`, `cifs`, or, `generic`, none',
  'filesystems.TYPE.kernelFilesystem': 'its name in `/proc/filesystems`',
  'filesystems.TYPE.kernelModule': 'the module that `mounter doctor` names where it is missing',
  'filesystems.TYPE.devices':
    'device nodes that the helper opens, in `/dev`: with `attach` it has these and the usual ones alone',
  'filesystems.TYPE.readAheadKib':
    "how many KiB the kernel reads ahead; where this is not set, the kernel's own, 128 for NFS; `x-mounter.read-ahead=KIB` in the `mountOptions` of a volume counts for more",
  'daemons.rpcbind.path': 'rpcbind in the rootfs',
  'daemons.rpcbind.arguments': 'what it is started with',
  'daemons.statd.path': 'rpc.statd in the rootfs',
  'daemons.statd.arguments': 'what it is started with',
  'daemons.gssd.path': 'rpc.gssd, for Kerberos, in the rootfs',
  'daemons.gssd.arguments': 'what it is started with',
  'daemons.idmapd.path': 'rpc.idmapd, for names of users, in the rootfs',
  'daemons.idmapd.arguments': 'what it is started with',
  'daemons.tlshd.path': 'tlshd, for TLS, in the rootfs',
  'daemons.tlshd.arguments': 'what it is started with',
  'daemons.startStatd':
    'what mount.nfs runs when it finds no rpc.statd; ours is laid over it, and starts each of these',
  'mounts.mounter': 'what of the host is in the rootfs; targets are accepted below the `shared` ones alone',
  'mounts.kubelet':
    "what of the host a kubelet in an image has, where it would have the image's; another path, `ro` or `shared` is one more mount",
  'mounts.*[].host': 'the path on the host; `tmpfs` has none',
  'mounts.*[].rootfs': 'the path in the rootfs',
  'mounts.*[].type':
    'with what is mounted below it (`rbind`) or without (`bind`); or an empty directory (`tmpfs`)',
  'mounts.*[].access': 'whether the rootfs may write there: `ro` or `rw`',
  'mounts.*[].propagation':
    'whether later mounts go over: not at all (`private`), from the host alone (`slave`), or both ways (`shared`)',
  'mounts.*[].optional': '`true`: a missing host path is skipped',
  'mounts.*[].create': 'the octal mode of a host directory that is made when it is missing',
};

/** What of a valibot schema tells what is in it. */
interface Schema {
  readonly entries?: Readonly<Record<string, Schema>>;
  readonly wrapped?: Schema;
  readonly item?: Schema;
  readonly value?: Schema;
}

/** What is the image's own is for the build, and no setting of a node. */
const imageSections = ['$schema', 'formatVersion', 'rootfs'];

/** All that a node goes by, in the schema's order, each name once. */
export function settings(): readonly Setting[] {
  const all = settingsBelow('', manifestSchema as Schema, JSON.parse(shippedText));
  return [...new Map(all.map((setting) => [setting.name, setting])).values()];
}

/** @param usual what it is where it is not given. */
function settingsBelow(path: string, schema: Schema, usual: unknown): readonly Setting[] {
  const { wrapped, entries, item, value } = schema;
  if (wrapped !== undefined) return settingsBelow(path, wrapped, v.getDefault(schema as never) ?? usual);
  const name = settingName(path);
  const setting = { name, default: usual, meaning: meanings[name] ?? '' };
  if (name.endsWith('.KIND')) return [setting];
  const below = [
    ...Object.entries(entries ?? {})
      .filter(([member]) => path !== '' || !imageSections.includes(member))
      .map(([member, one]) => [path === '' ? member : `${path}.${member}`, one, member] as const),
    ...(value?.wrapped === undefined ? [] : [[`${path}.TYPE`, value, undefined] as const]),
    ...(item?.entries === undefined ? [] : [[`${path}[]`, item, undefined] as const]),
  ];
  const isSetting = below.length === 0 || item !== undefined || name.endsWith('.TYPE');
  const members = below.flatMap(([at, one, member]) => settingsBelow(at, one, memberOf(usual, member)));
  return isSetting ? [setting, ...members] : members;
}

/** What holds for each of several is told once: `mounts.*[].host` for `mounts.mounter[].host`. */
export function settingName(path: string): string {
  return path
    .replace(/^mounts\.\w+\[\]/, 'mounts.*[]')
    .replace(/^policy\.options\.(\w+)$/, (whole, member) =>
      kindNames.some((kind) => kind === member) ? 'policy.options.KIND' : whole,
    );
}

function memberOf(usual: unknown, member: string | undefined): unknown {
  return isObject(usual) && member !== undefined ? usual[member] : undefined;
}
