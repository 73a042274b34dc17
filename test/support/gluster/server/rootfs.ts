import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { type DebFile, fetchPackages, unpackInto } from '../../../../scripts/debian.ts';
import { withProgress } from '../../../../scripts/progress.ts';

const cacheDirectory = resolve(import.meta.dirname, '../../../../.cache/gluster-server');

/**
 * The server, its client, and what Debian takes for granted: these depend on essential packages, which
 * no package needs to name.
 */
const packages = [
  'attr',
  'base-passwd',
  'coreutils',
  'dash',
  'glusterfs-client',
  'glusterfs-server',
  'grep',
  'iproute2',
  'libc-bin',
  'mawk',
  'mount',
  'sed',
  'util-linux',
];

/** GlusterFS 10: the server of 11 starts no brick on an IPv6 address. */
const suite = 'bookworm';

/** Raised when the same packages are to become another rootfs. */
const recipe = 1;

const excluded = ['doc', 'info', 'lintian', 'locale', 'man'].map((name) => `./usr/share/${name}`);

/** What servers and clients mount over: see `init.sh`. */
const mountPoints = ['bricks', 'dev', 'mnt', 'old', 'proc', 'run', 'tmp', 'var/log/glusterfs'];

/**
 * The absolute path of a directory with a GlusterFS server and client, built from Debian packages on the
 * first call (about 20 s) and kept under `.cache/`. Nothing is installed on the machine, no package's script
 * runs. It is never written to once it is there: servers mount their state over it.
 * @throws MounterError (system) when a package can't be had or unpacked.
 */
export async function ensureServerRootfs(): Promise<string> {
  const key = createHash('sha256')
    .update(JSON.stringify({ recipe, suite, packages, excluded, mountPoints }))
    .digest('hex');
  const rootfs = join(cacheDirectory, key.slice(0, 16));
  if (await isDirectory(rootfs)) return rootfs;
  await mkdir(cacheDirectory, { recursive: true });
  await removeAbandoned();
  const building = join(cacheDirectory, `building.${process.pid}`);
  try {
    await withProgress('making the root of a GlusterFS server, usually 30 s', () => build(building));
    await rename(building, rootfs);
  } catch (error) {
    // Somebody else's build was there first; it is the same.
    if (!(await isDirectory(rootfs))) throw error;
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return rootfs;
}

async function build(directory: string): Promise<void> {
  const debs = await fetchPackages({ names: packages, suite, directory: join(cacheDirectory, 'packages') });
  await mkdir(directory);
  await unpackInto(debs.filter(isNeeded), directory, excluded);
  await removeGeoReplication(directory);
  await configure(directory);
}

/** glusterd's Python is for geo-replication and events alone. */
function isNeeded(deb: DebFile): boolean {
  return !/^(lib)?python3/.test(deb.name);
}

/** glusterd starts `gsyncd` if it is there, and would wait for it: 60 ms without. */
async function removeGeoReplication(rootfs: string): Promise<void> {
  const libraries = join(rootfs, 'usr/lib');
  for (const name of await readdir(libraries)) {
    await rm(join(libraries, name, 'glusterfs/gsyncd'), { force: true });
  }
}

/** What the packages' scripts would have done. */
async function configure(rootfs: string): Promise<void> {
  for (const path of mountPoints) await mkdir(join(rootfs, path), { recursive: true });
  for (const name of ['passwd', 'group']) {
    await copyFile(join(rootfs, `usr/share/base-passwd/${name}.master`), join(rootfs, `etc/${name}`));
  }
  await writeFile(join(rootfs, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files dns\n');
  await symlink('mawk', join(rootfs, 'usr/bin/awk'));
  await rm(join(rootfs, 'var/run'), { recursive: true, force: true });
  await symlink('/run', join(rootfs, 'var/run'));
  await execa('ldconfig', ['-r', rootfs]);
}

/** Removes what builds left behind that were killed; nothing is ever mounted in there. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(cacheDirectory)) {
    const pid = /^building\.(\d+)$/.exec(name)?.[1];
    if (pid === undefined || (await isDirectory(`/proc/${pid}`))) continue;
    await rm(join(cacheDirectory, name), { recursive: true, force: true });
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
