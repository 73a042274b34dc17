import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';

/**
 * The two trees of the guest's disk. `/` is the node: a shell, mount(8) and the kernel's modules, nothing of
 * NFS, SMB or GlusterFS. `/server` is another machine's root that happens to lie on the same disk: the NFS,
 * SMB and GlusterFS servers run in it, chrooted and in namespaces of their own.
 */
export interface Root {
  /** Debian packages; what they depend on comes along. */
  readonly packages: readonly string[];
  readonly directories: readonly string[];
  /** Path below the root → text. */
  readonly files: Readonly<Record<string, string>>;
}

const shellPackages =
  'bash dash coreutils util-linux util-linux-extra mount sed grep mawk findutils libc-bin hostname procps base-files';

const directories = ['proc', 'sys', 'dev', 'run', 'tmp', 'mnt', 'root', 'var/log', 'var/tmp', 'var/lib'];

const root = 'root:x:0:0:root:/root:/bin/bash';
const nobody = 'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin';

const files = {
  'etc/group': 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n',
  'etc/hosts': '127.0.0.1 localhost\n',
  'etc/nsswitch.conf':
    'passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\nrpc: files\n',
  'etc/resolv.conf': '',
};

export const node: Root = {
  // The last two are Node's, which runs the tests. systemd and its bus run where a test asks for them.
  packages: `${shellPackages} iproute2 kmod strace attr systemd dbus libatomic1 libstdc++6`.split(' '),
  directories: [...directories, 'host', 'control', 'server', 'var/lib/kubelet', 'var/lib/dbus'],
  files: {
    ...files,
    // Made by the packages' own scripts, which do not run here.
    'etc/passwd': `${root}\n${nobody}\nmessagebus:x:100:101::/nonexistent:/usr/sbin/nologin\n`,
    'etc/group': `${files['etc/group']}messagebus:x:101:\nadm:x:4:\n`,
    'etc/fstab': '',
    'etc/machine-id': '0123456789abcdef0123456789abcdef\n',
  },
};

export const server: Root = {
  packages:
    `${shellPackages} nfs-kernel-server nfs-common rpcbind netbase glusterfs-server samba cifs-utils attr krb5-kdc krb5-admin-server krb5-user faketime tcpdump`.split(
      ' ',
    ),
  directories: [...directories, 'srv', 'data', 'var/lib/nfs', 'var/lib/glusterd', 'var/log/glusterfs'],
  files: {
    ...files,
    // Made by the packages' own scripts, which do not run here.
    'etc/passwd': [
      root,
      nobody,
      '_rpc:x:101:65534::/run/rpcbind:/usr/sbin/nologin',
      'statd:x:102:65534::/var/lib/nfs:/usr/sbin/nologin',
      '',
    ].join('\n'),
    'etc/exports': '',
  },
};

/** Pulled in by package scripts and by tools that the guest does not run. */
export const unneededPackages =
  /^(perl|libperl|python3|libpython3|dpkg|debconf|adduser|usrmerge|ucf|passwd|tar|openssl|ca-certificates|xfsprogs|e2fsprogs|logsave|gcc-12-base|lib\w+(-\w+)*-perl)/;

/** Patterns of tar(1). */
export const unneededFiles = [
  ...['doc', 'man', 'locale', 'info', 'lintian', 'bash-completion', 'zoneinfo'].map(
    (name) => `./usr/share/${name}`,
  ),
  './usr/lib/*-linux-gnu/gconv',
  // With it glusterd starts a Python program and takes seconds; without it, 60 ms.
  './usr/lib/*-linux-gnu/glusterfs/gsyncd',
];

/**
 * Does what the packages' own scripts would have done in `directory`.
 * @param canRun its programs, here; without a cache ld.so looks for libraries itself.
 */
export async function furnish(directory: string, { directories, files }: Root, canRun = true): Promise<void> {
  for (const name of directories) await mkdir(join(directory, name), { recursive: true });
  await chmod(join(directory, 'tmp'), 0o1777);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), text);
  }
  await symlink('/proc/self/mounts', join(directory, 'etc/mtab'));
  await symlink('mawk', join(directory, 'usr/bin/awk'));
  if (canRun) await execa('chroot', [directory, '/sbin/ldconfig']);
}
