import { kindNames } from '../manifest/filesystem-kinds.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { OptionRules } from '../manifest/policy.ts';
import { nearest } from '../nearest.ts';

/** Rules of `policy.options` about options that nothing is known to take: what was meant is allowed, or is not required. */

/** As mount(8), nfs(5), mount.glusterfs(8) and mount.cifs(8) have them; of most, `noNAME` is one as well. */
const names = new Set(
  `async atime auto bg bind context dev defaults defcontext diratime dirsync exec fg fscontext fuse group iversion lazytime
  helper loop mand move nofail offset owner private quiet rbind rprivate rshared rslave runbindable shared sizelimit slave uhelper unbindable
  relatime remount ro rootcontext rw silent strictatime suid symfollow sync user users _netdev
  ac acdirmax acdirmin acl acregmax acregmin actimeo cert_serial clientaddr cto fsc hard intr local_lock lock
  lookupcache max_connect migration minorversion mountaddr mounthost mountport mountproto mountvers namlen nconnect
  nfsvers port posix privkey_serial proto rdirplus rdma resvport retrans retry rsize sec sharecache soft softerr softreval
  tcp timeo trunkdiscovery udp v2 v3 v4 v4.0 v4.1 v4.2 vers write wsize xprtsec
  attribute-timeout auto_unmount aux-gfid-mount backup-volfile-servers backupvolfile-server background-qlen
  congestion-threshold direct-io-mode dump-fuse enable-ino32 entry-timeout fetch-attempts fopen-keep-cache fuse-mountopts
  gid-timeout kernel-writeback-cache log-file log-level log-server log-server-port lru-limit negative-timeout oom-score-adj
  pid-file process-name read-only resolve-gids root-squash selinux server-port subdir-mount thin-client transport use-readdirp
  volfile volfile-check volfile-id volfile-max-fetch-attempts volume-id volume-name worm xlator-option
  addr backupuid backupgid cache cifsacl closetimeo compress cred credentials cruid dir_mode dirm dirmode dmask dom domain
  dynperm echo_interval file_mode fmask forcegid forceuid gid handletimeout idsfromsid iocharset ip mapchars mapposix
  mfsymlinks modefromsid multichannel multiuser netbiosname nobrl pass password password2 path perm persistenthandles
  prefixpath resilienthandles seal serverino servern setuids sfu sign snapshot source target uid unc upcall_target username
  witness workgroup allow_other allow_root default_permissions max_read x-mounter.read-ahead`.split(/\s+/),
);

interface StrangeRule {
  /** Such as `policy.options.nfs.forbidden`. */
  readonly setting: string;
  readonly entry: string;
  readonly meant: string;
}

/** Those that are like a known one: of others an image may have a helper that takes them. */
export function strangeRules({ options }: Manifest['policy']): readonly StrangeRule[] {
  const lists = (rules: OptionRules, at: string) =>
    (['allowed', 'forbidden', 'required'] as const).flatMap((list) =>
      (rules[list] ?? []).map((entry) => ({ setting: `${at}.${list}`, entry })),
    );
  const all = [
    ...lists(options, 'policy.options'),
    ...kindNames.flatMap((kind) => lists(options[kind] ?? {}, `policy.options.${kind}`)),
  ];
  return all.flatMap(({ setting, entry }) => {
    const meant = meantBy(entry.split('=')[0] ?? '');
    return meant === undefined ? [] : [{ setting, entry, meant }];
  });
}

function meantBy(name: string): string | undefined {
  const plain = name.toLowerCase();
  if (names.has(plain) || names.has(plain.replace(/^no/, '')) || /[@*]/.test(name)) return undefined;
  const negative = [...names].filter((one) => !one.startsWith('no')).map((one) => `no${one}`);
  return nearest(plain, plain.startsWith('no') ? [...negative, ...names] : names);
}
