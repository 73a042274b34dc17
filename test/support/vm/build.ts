import { createHash } from 'node:crypto';
import { access, cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { fetchPackages, unpackInto } from '../../../scripts/debian.ts';
import { withProgress } from '../../../scripts/progress.ts';
import { installKernel } from './kernel.ts';
import { installModules } from './modules.ts';
import { furnish, node, type Root, server, unneededFiles, unneededPackages } from './roots.ts';
import { vmSuite as suite } from './suite.ts';

const cache = resolve(import.meta.dirname, '../../../.cache/vm');
/**
 * Since Linux 6.16 a guest's system calls are caught by seccomp(2) instead of ptrace(2): programs start three to
 * four times as fast as on bookworm's 6.1, which makes the difference between a suite of minutes and of an hour.
 */
const kernelSuite = 'forky';
const inputs = ['build.ts', 'roots.ts', 'modules.ts', 'image-init.sh', 'kernel.ts', 'suite.ts'];

/**
 * The directory that holds the guest: `linux` (the kernel, a program) with what it is linked to, and `disk.img`.
 * Made from Debian packages on the first call, in about 30 s; later calls find it under the key of its inputs.
 * @throws MounterError when a package cannot be had.
 */
export async function buildVm(): Promise<string> {
  const directory = join(cache, `build-${await keyOfInputs()}`);
  if (await exists(directory)) return directory;
  await mkdir(cache, { recursive: true });
  const unfinished = await mkdtemp(join(cache, 'stage-'));
  try {
    await withProgress('making the test VM of Debian packages, usually 1 min', () => buildInto(unfinished));
    await adopt(unfinished, directory);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return directory;
}

async function keyOfInputs(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of inputs) hash.update(await readFile(join(import.meta.dirname, name)));
  return hash.digest('hex').slice(0, 16);
}

async function buildInto(directory: string): Promise<void> {
  const result = join(directory, 'result');
  const root = join(directory, 'root');
  await mkdir(result);
  const uml = await unpackUml(join(directory, 'uml'));
  await installKernel(uml, result);
  await makeRoot('node', node, root);
  await makeRoot('server', server, join(root, 'server'));
  await installModules(join(uml, 'usr/lib/uml/modules'), root);
  await cp(join(import.meta.dirname, 'image-init.sh'), join(root, 'init'));
  await execa('chmod', ['0755', join(root, 'init')]);
  await makeDisk(root, join(result, 'disk.img'), join(directory, 'tools'));
}

async function unpackUml(directory: string): Promise<string> {
  const names = ['user-mode-linux', 'libc6'];
  const packages = join(cache, 'packages/uml');
  const debs = await fetchPackages({
    names,
    directory: packages,
    suite: kernelSuite,
    withoutDependencies: true,
    mayBeOld: true,
  });
  await unpackInto(debs, directory, unneededFiles);
  return directory;
}

async function makeRoot(name: string, root: Root, directory: string): Promise<void> {
  const packages = join(cache, 'packages', name);
  const debs = await fetchPackages({ names: root.packages, directory: packages, suite });
  const needed = debs.filter((deb) => !unneededPackages.test(deb.name));
  await unpackInto(needed, directory, unneededFiles);
  await furnish(directory, root);
}

/**
 * ext4, since NFSv4 cannot export a hostfs; without a journal, since no guest lives twice. e2fsprogs is not installed: it
 * would check this machine's filesystems every week.
 */
export async function makeDisk(root: string, image: string, tools: string): Promise<void> {
  const debs = await fetchPackages({
    names: ['e2fsprogs'],
    directory: join(cache, 'packages/e2fsprogs'),
    suite,
  });
  await unpackInto(debs, tools, unneededFiles);
  const libraries = join(tools, 'usr/lib/x86_64-linux-gnu');
  const mke2fs = [join(libraries, 'ld-linux-x86-64.so.2'), '--library-path', libraries];
  const [loader = '', ...argv] = [...mke2fs, join(tools, 'usr/sbin/mke2fs')];
  await execa(loader, [...argv, '-q', '-t', 'ext4', '-O', '^has_journal', '-d', root, image, '1G'], {
    env: { MKE2FS_CONFIG: join(tools, 'etc/mke2fs.conf') },
  });
}

/** Renames the finished build into place; of two that build at once the first wins. Older builds go. */
async function adopt(unfinished: string, directory: string): Promise<void> {
  await rename(join(unfinished, 'result'), directory).catch(async (error: unknown) => {
    if (!(await exists(directory))) throw error;
  });
  const builds = (await readdir(cache)).filter((name) => name.startsWith('build-'));
  const older = builds.map((name) => join(cache, name)).filter((path) => path !== directory);
  for (const path of older) await rm(path, { recursive: true, force: true });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
