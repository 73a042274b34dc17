import type { FilesystemKind } from '../../manifest/filesystem-kinds.ts';

/** The options that helpers and kernels know, by which a mistyped one is told; a mount needs none of it. */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/**
 * Of most, `noNAME` is one as well. As mount(8), nfs(5), mount.glusterfs(8), mount.fuse(8) and mount.cifs(8) have them, and
 * smb3_fs_parameters in fs/smb/client/fs_context.c, Linux 7.2; `common` is what mount(8) and the kernel take for any type.
 */
const known: Readonly<Record<'common' | FilesystemKind, readonly string[]>> = {
  common: words(`
    async atime auto beneath bg bind comment context defaults defcontext dev diratime dirsync exec fg fscontext group helper
    iversion lazytime loop loud mand move nofail offset owner private quiet rbind relatime remount ro rootcontext rprivate
    rshared rslave runbindable rw shared silent sizelimit slave strictatime suid symfollow sync uhelper unbindable user users
    x-mounter.read-ahead _netdev
  `),
  nfs: words(`
    ac acdirmax acdirmin acl acregmax acregmin actimeo cert_serial clientaddr cto fatal_neterrors fsc hard intr local_lock
    lock lookupcache max_connect migration minorversion mountaddr mounthost mountport mountproto mountvers namlen nconnect
    nfsvers port posix privkey_serial proto rdirplus rdma resvport retrans retry rsize sec sharecache sloppy soft softerr
    softreval tcp timeo trunkdiscovery udp v2 v3 v4 v4.0 v4.1 v4.2 vers write wsize xprtsec
  `),
  glusterfs: words(`
    acl allow_other allow_root attribute-timeout auto_unmount aux-gfid-mount background-qlen backup-volfile-servers
    backupvolfile-server congestion-threshold default_permissions direct-io-mode dump-fuse enable-ino32 entry-timeout
    fetch-attempts fopen-keep-cache fuse fuse-mountopts gid-timeout kernel-writeback-cache log-file log-level log-server
    log-server-port lru-limit max_read negative-timeout oom-score-adj pid-file process-name read-only resolve-gids
    root-squash selinux server-port socket-file subdir-mount thin-client transport use-readdirp volfile volfile-check volfile-id
    volfile-max-fetch-attempts volume-id volume-name worm xlator-option
  `),
  cifs: words(`
    ac acdirmax acl acregmax actimeo addr autotune backupgid backupuid blocksend brl bsize cache case cifsacl closetimeo
    compress cred credentials cruid delete dfs dir_mode dirm dirmode dmask dom domain domainauto dynperm echo_interval esize
    file_mode fmask forcegid forcemand forcemandatorylock forceuid fsc gid guest handlecache handletimeout hard idsfromsid
    ignore_signature ignorecase intr iocharset ip linux lock mapchars mapposix max_cached_dirs max_channels max_credits
    mfsymlinks min_enc_offload modefromsid modesid multichannel multiuser nativesocket netbiosname pass password password2
    path perm persistenthandles port posix prefixpath rasize rdma reparse resilienthandles retrans rootfs rsize rwpidforward
    seal sec servern server serverino setuidfromacl setuids sfu sharesock sign signloosely sloppy snapshot soft source sparse
    srcaddr strictsync symlink symlinkroot target tcpnodelay uid unc unicode unix upcall_target user_xattr username ver vers
    witness workgroup wsize xattr
  `),
  // Whatever an image's helper takes.
  generic: [],
};

/** @param kind of whose options; `undefined` for those of any. Without what `no` makes of them. */
export function knownOptionNames(kind: FilesystemKind | undefined): ReadonlySet<string> {
  return new Set(kind === undefined ? Object.values(known).flat() : [...known.common, ...known[kind]]);
}
