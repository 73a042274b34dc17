import { cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { MounterError } from '../../../src/errors.ts';
import { exitCode } from '../../../src/exit-codes.ts';

const wanted = [
  ...['nfs', 'nfsv3', 'nfsv4', 'nfs_layout_nfsv41_files', 'nfs_layout_flexfiles', 'nfsd'],
  ...['fuse', 'overlay', 'loop', 'veth', 'bridge', 'dummy'],
  // A link with a delay, for benchmarks.
  'sch_netem',
  // With the ciphers that it asks for by name.
  ...['rpcsec_gss_krb5', 'krb5enc', 'cts', 'cbc', 'ecb'],
  // cifs asks for its ciphers and its character set by name, when it mounts.
  ...['cifs', 'nls_utf8', 'ccm', 'gcm', 'cmac', 'ctr', 'hmac'],
  ...['tls', 'chacha20poly1305'],
];

/** Copies the kernel modules that the tests need from `modules` (holding VERSION/) into `root`. */
export async function installModules(modules: string, root: string): Promise<void> {
  const version = await copyModules(modules, root, wanted);
  await execa('chroot', [root, '/sbin/depmod', version]);
}

/** The same, for whoever says by depmod(8) afterwards what is there. @returns the version. */
export async function copyModules(modules: string, root: string, wanted: readonly string[]): Promise<string> {
  const [version = ''] = await readdir(modules);
  const source = join(modules, version);
  const destination = join(root, 'usr/lib/modules', version);
  const files = moduleFiles(await readFile(join(source, 'modules.dep'), 'utf8'), wanted);
  const lists = ['modules.order', 'modules.builtin', 'modules.builtin.modinfo'];
  for (const file of [...lists, ...files]) {
    await mkdir(dirname(join(destination, file)), { recursive: true });
    await cp(join(source, file), join(destination, file));
  }
  return version;
}

/**
 * The files of `names` and of what they need, as modules.dep(5) has them:
 * `kernel/fs/nfs/nfsv3.ko: kernel/fs/nfs/nfs.ko kernel/fs/lockd/lockd.ko …`
 */
export function moduleFiles(modulesDep: string, names: readonly string[]): ReadonlySet<string> {
  const lines = modulesDep.split('\n').map((line) => line.split(/:? /));
  return new Set(
    names.flatMap((name) => {
      const files = lines.find(([file]) => file?.replace(/:$/, '').endsWith(`/${name}.ko`));
      if (files !== undefined) return files.map((file) => file.replace(/:$/, ''));
      throw new MounterError('is not among the modules of user-mode-linux', {
        subject: name,
        status: exitCode.system,
      });
    }),
  );
}
