import { isIP } from 'node:net';
import { printable } from '../errors.ts';
import { mapStrings } from './masked.ts';

/**
 * A report without the names of a node and its surroundings: servers, exports, volumes, Pods, namespaces, addresses. What is
 * not known to be a word of ours, of Linux or of Kubernetes gets a pseudonym wherever a name can stand: as a part of a path, in a
 * source, as the value of an option, with dots in it. The same name has the same pseudonym everywhere, also in the
 * words of helpers.
 */
export function anonymized<T extends object>(report: T, names: readonly string[]): T {
  const pseudonyms = new Pseudonyms();
  for (const name of names) pseudonyms.of(name, 'node');
  // What stands where a name has to be is learnt before texts are read, in which it could be any word.
  const learnt = mapStrings(report, (text, field) => {
    const way = ways[field];
    return way === undefined ? text : way(text, pseudonyms);
  });
  const read = mapStrings(swept(learnt, pseudonyms), (text, field) =>
    isOurs(field) ? text : inText(text, pseudonyms),
  );
  // Texts have names of their own, which others may have as well.
  return swept(read, pseudonyms);
}

type Kind = 'node' | 'server' | 'address' | 'name';

class Pseudonyms {
  readonly #byName = new Map<string, string>();
  readonly #given = new Set<string>();
  readonly #counts = new Map<Kind, number>();

  /** Of names that differ in case alone it is one. */
  of(name: string, kind: Kind): string {
    const known = this.find(name);
    if (known !== undefined) return known;
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    const pseudonym = `${kind}#${count}`;
    this.#byName.set(name.toLowerCase(), pseudonym);
    this.#given.add(pseudonym);
    return pseudonym;
  }

  find(name: string): string | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  has(pseudonym: string): boolean {
    return this.#given.has(pseudonym);
  }

  /** Those that tell something, longest first, in small letters. */
  get names(): readonly string[] {
    return [...this.#byName.keys()].filter((name) => !isKnown(name)).sort((a, b) => b.length - a.length);
  }
}

/** A field in which names stand, and where in it. */
type Way = (text: string, pseudonyms: Pseudonyms) => string;

/** `server:/path`, `a,b:volume`, `//server/share`: what comes before the first colon, or the path, is a server. */
const inSource: Way = (text, pseudonyms) => {
  const [, servers = '', rest = ''] = /^(\/\/[^/]*|[^/]*?(?=:[^:]*$|:\/)|)(.*)$/s.exec(text) ?? [];
  return `${chunks(servers, /[^/:,@[\]]+/g, 'server', pseudonyms)}${inPath(rest, pseudonyms)}`;
};
const inPath: Way = (text, pseudonyms) => chunks(text, /[^/:,@]+/g, 'name', pseudonyms);
const inWords: Way = (text, pseudonyms) =>
  chunks(text, /[^\s/:,;="'`<>()[\]{}|&@%?*\\]+/g, 'name', pseudonyms);
/** Of `name=value` the value; a flag's own name is no name of anybody. */
const inFlag: Way = (text, pseudonyms) => {
  const [, flag = '', value = ''] = /^(-{1,2}[\w-]*=?)?(.*)$/s.exec(text) ?? [];
  return flag + inWords(value, pseudonyms);
};
const inOptions: Way = (text, pseudonyms) =>
  text.replace(/(?<==)[^,]*/g, (value) => inWords(value, pseudonyms));

const ways: Readonly<Record<string, Way>> = {
  source: inSource,
  target: inPath,
  mountPoint: inPath,
  options: inOptions,
  arguments: inFlag,
  reference: inWords,
  fstype: inWords,
  command: inWords,
  calledAs: inWords,
  value: inWords,
};

function chunks(text: string, pattern: RegExp, kind: Kind, pseudonyms: Pseudonyms): string {
  return withoutAddresses(text, pseudonyms).replace(pattern, (chunk) =>
    pseudonyms.has(chunk) || (kind !== 'server' && isKnown(chunk)) ? chunk : pseudonyms.of(chunk, kind),
  );
}

function withoutAddresses(text: string, pseudonyms: Pseudonyms): string {
  const replace = (address: string) => (isOfNobody(address) ? address : pseudonyms.of(address, 'address'));
  return text
    .replace(/(?<![\w:.])[0-9a-f]{0,4}:[0-9a-f:]*(?:(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])/gi, (candidate) => {
      // `fd00::1:` at the end of a sentence.
      const address = [candidate, candidate.replace(/:$/, '')].find((one) => isIP(one) === 6);
      return address === undefined ? candidate : candidate.replace(address, replace(address));
    })
    .replace(/(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?:\.\d{1,3}\.\d{1,3})?(?!\d)/g, (candidate) => {
      // rpcbind's: the port is in the last two.
      const address = candidate.split('.').slice(0, 4).join('.');
      return isIP(address) === 4 ? replace(address) + candidate.slice(address.length) : candidate;
    });
}

function isOfNobody(address: string): boolean {
  return /^(127\.|0\.0\.0\.0$|::1?$|255\.255\.255\.)/.test(address);
}

/** A text of many words: those that were learnt, those that look like a name, parts of paths, and what Kerberos calls a realm. */
function inText(text: string, pseudonyms: Pseudonyms): string {
  const words = /[a-z]+#\d+|[\p{L}\p{N}_][\p{L}\p{M}\p{N}_.~+-]*(?<![.~+-])/gu;
  return withoutAddresses(text, pseudonyms).replace(words, (word, at: number, all: string) => {
    if (pseudonyms.has(word) || isKnown(word)) return word;
    const known = pseudonyms.find(word);
    if (known !== undefined) return known;
    if (/[/@]/.test(all[at - 1] ?? '') || uuid.test(word)) return pseudonyms.of(word, 'name');
    return isDomain(word) ? pseudonyms.of(word, 'server') : word;
  });
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function isDomain(word: string): boolean {
  return /\p{L}/u.test(word) && /[^.]\.[^.]/.test(word);
}

/** What is left of a name within a longer word, or has blanks in it. */
function swept<T extends object>(report: T, pseudonyms: Pseudonyms): T {
  const all = printable(JSON.stringify(report)).toLowerCase();
  const forms = pseudonyms.names.flatMap((name) =>
    [...new Set([name, printable(name).toLowerCase()])].map((form) => [name, form] as const),
  );
  const left = forms.filter(
    ([, form]) => form.length > 2 && all.includes(JSON.stringify(form).slice(1, -1).toLowerCase()),
  );
  if (left.length === 0) return report;
  const any = left.map(([, form]) => form.replace(/[$()*+.?[\\\]^{|}/]/g, String.raw`\$&`)).join('|');
  const pattern = new RegExp(String.raw`[a-z]+#\d+|(?<![\p{L}\p{N}])(?:${any})(?![\p{L}\p{N}])`, 'giu');
  const originals = new Map(left.map(([name, form]) => [form, name]));
  return mapStrings(report, (text, field) =>
    isOurs(field)
      ? text
      : text.replace(pattern, (found) =>
          pseudonyms.has(found)
            ? found
            : (pseudonyms.find(originals.get(found.toLowerCase()) ?? found) ?? found),
        ),
  );
}

/** Fields of which each value is one of our own words, or of the software that is installed. */
function isOurs(field: string): boolean {
  return ourFields.has(field);
}

const ourFields: ReadonlySet<string> = new Set(
  `access architecture check class digest enter errorClass first from inUse installedAt kernel kind last level listening
  listeningByUdp locks mounter node operatingSystem owner packages path propagation result service state time tls type version
  wanted writtenAt`.split(/\s+/),
);

/** Words of a path or of an option that name nobody; numbers; the digest of a rootfs. */
function isKnown(word: string): boolean {
  return knownWords.has(word) || knownShapes.some((shape) => shape.test(word));
}

const knownShapes: readonly RegExp[] = [
  /^\d{1,6}(?:\.\d{1,3})?[kKmMgGs%]?$/,
  /^[0-9a-f]{64}$/,
  /^v\d[\d.]*$/,
  /^\d\d\.\d{3}Z$/,
  // Versions of packages, and of the kernel's: no dots but between digits at the beginning.
  /^\d+(?:\.\d+)+(?:[-+~][\w.+~-]*)?$/,
  /^(?:u?mount\.(?:nfs4?|glusterfs|cifs|smb3|ceph)|rpc\.[a-z]*[gi]?[sd]+d|fs\.(?:mount|file)-max|auth\.(?:allow|reject))$/,
  /^limits\.[a-z]+Seconds$/i,
  /^policy(?:\.(?:sources|options|locks|portmapper|images|nfs|glusterfs|cifs|generic|allowed|forbidden|required))*$/,
  /^(?:log\.(?:to|file|maximumBytes)|resolver\.(?:mode|nameservers|searches)|mounts\.(?:mounter|kubelet))$/,
  /^(?:filesystems\.(?:nfs4?|glusterfs|cifs|smb3|ceph)|daemons)(?:\.(?:rpcbind|statd|gssd|idmapd|tlshd|path|arguments|helper|kind|startStatd))*$/,
  /^security(?:\.(?:tls|krb5|trustStore|certificate|privateKey|keytab|config|credentialCaches))*$/,
  // Says of nobody who it is, and would be taken for a word: a Pod, in 1 s.
  /^[a-z]$/i,
  /^lib[a-z0-9_+-]+\.so[\d.]*$/,
  /^CAP_[A-Z_]+$/,
];

const knownWords: ReadonlySet<string> = new Set(
  `bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin srv sys tmp usr var local share log cache
  self fd ns net mnt uts ipc pid cmdline mountinfo mounts status fuse null zero shm hugepages filesystems mount-max nr_open
  system default cron.d systemd system.slice network x86_64-linux-gnu aarch64-linux-gnu ld-linux-x86-64.so.2 ld-linux-aarch64.so.1
  hosts hostname services protocols networks netconfig resolv.conf nsswitch.conf passwd group fstab mtab os-release
  ld.so.cache ld.so.conf gai.conf host.conf krb5.conf krb5.keytab idmapd.conf nfs.conf nfsmount.conf exports
  kubernetes containerized_mounter containerized-mounter mounter mounter-full mounter.log mounter.log.1 rootfs versions disabled
  start-statd rootfs-manifest.json node-settings.json rootfs-manifest.json.previous rootfs.tar.zst mounter.prom namespaces
  locks targets failures settings good-rootfs storage-tools mounter-node-agent nfs.conf.d
  kubelet kubelet.service kubelet.conf kubeadm-flags.env config.yaml pki plugins plugins_registry pods volumes volume-subpaths volumeDevices
  csi pv globalmount containers etc-hosts kubernetes.io kubernetes.io~nfs kubernetes.io~glusterfs kubernetes.io~csi
  kubernetes.io~local-volume kubernetes.io~projected kubernetes.io~secret kubernetes.io~configmap kubernetes.io~empty-dir
  vol_data.json containerd containerd.sock crio docker dbus dbus-daemon journal prometheus node-exporter
  nfs nfs3 nfs4 nfsd nfsv3 nfsv4 rpc_pipefs sunrpc statd sm sm.bak state rpcbind rpcbind.sock rpc.statd rpc.gssd gssproxy
  gssd rpc.svcgssd idmapd rpc.idmapd tlshd rpc-statd.service showmount exportfs rpcinfo glusterfs glusterd glusterfsd fuse.glusterfs gluster
  cifs smb3 smb ceph fuse.ceph tmpfs overlay ext4 xfs btrfs none bind rbind
  tcp tcp6 udp udp6 rdma sys krb5 krb5i krb5p tls mtls lkey nolock lock hard soft softerr intr rw ro sync async all pos lookupcache
  noatime nodiratime relatime suid nosuid exec noexec nodev dev true false yes no on off auto inet inet6 max
  DEBUG INFO WARNING ERROR CRITICAL TRACE NONE
  mount umount install prepare status doctor log exec versions rollback prune unit enable disable teardown manifest csi
  node-agent help version report daemonset cloud-init alerts kubelet-flag metrics masked
  attach chroot file private shared slave any loopback require allow-nolock add-nolock merge
  http https docker oci docker.io localhost localhost.localdomain ip6-localhost ip6-loopback json yaml e.g i.e
  etc. and or ready failing lacking dead stale silent alive error modules kernel server servers volume export share data storage pod node name
  address user users group test tests process host directory file`.split(/\s+/),
);
