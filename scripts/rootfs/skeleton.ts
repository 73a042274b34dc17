import { directory, type Entry, link, textFile } from './entry.ts';

/** rpc.statd gives up root for the owner of /var/lib/nfs/sm; Debian's number does not matter, only the name. */
const statdUid = 102;
const nogroupGid = 65534;

const passwd = `root:x:0:0:root:/root:/bin/sh
_rpc:x:101:${nogroupGid}::/run/rpcbind:/usr/sbin/nologin
statd:x:${statdUid}:${nogroupGid}::/var/lib/nfs:/usr/sbin/nologin
nobody:x:65534:${nogroupGid}:nobody:/nonexistent:/usr/sbin/nologin
`;

const group = `root:x:0:
nogroup:x:${nogroupGid}:
`;

const nsswitch = `passwd: files
group: files
hosts: files dns
networks: files
protocols: files
services: files
rpc: files
`;

const hosts = `127.0.0.1 localhost
::1 localhost ip6-localhost
`;

/**
 * What no package ships: the mount points, and what maintainer scripts would have written. There is no
 * /etc/resolv.conf: kubelet writes its own there, and it must never be a view of the host's.
 */
export const skeleton: readonly Entry[] = [
  // Debian's merged /usr.
  ...['bin', 'lib', 'lib64', 'sbin'].map((name) => link(name, `usr/${name}`)),
  ...['dev', 'proc', 'run', 'sys', 'var/lib/kubelet', 'var/log/glusterfs'].map((path) => directory(path)),
  // Of rpc.gssd and rpc.idmapd alone, which mount it in namespaces of their own.
  directory('var/lib/rpc_pipefs', 0o555),
  directory('root', 0o700),
  directory('tmp', 0o1777),
  directory('usr/lib64'),
  link('var/run', '/run'),
  directory('var/lib/nfs', 0o755, statdUid, nogroupGid),
  directory('var/lib/nfs/sm', 0o700, statdUid, nogroupGid),
  directory('var/lib/nfs/sm.bak', 0o700, statdUid, nogroupGid),
  textFile('etc/passwd', passwd),
  textFile('etc/group', group),
  textFile('etc/nsswitch.conf', nsswitch),
  textFile('etc/hosts', hosts),
  link('etc/mtab', '../proc/self/mounts'),
  // update-alternatives' work.
  link('usr/bin/awk', 'mawk'),
  link('usr/bin/kinit', 'kinit.mit'),
  link('usr/bin/klist', 'klist.mit'),
];
