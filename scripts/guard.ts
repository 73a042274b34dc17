import { execa } from 'execa';
import { type Architecture, toolchainOf } from './architectures.ts';
import { ensureInstalled } from './debian.ts';
import { cacheDirectory, distributionOf, repository } from './paths.ts';
import { copyWhole, withScratch } from './scratch.ts';

/** The guard of glusterfs: src/guard compiled to one file, a program and a library at once. */

const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-fPIC', '-fvisibility=hidden'];
/** start.c runs without ld.so: the compiler must not make calls of a library out of its loops. */
const freestanding = [
  '-ffreestanding',
  '-fno-builtin',
  '-fno-stack-protector',
  '-fno-tree-loop-distribute-patterns',
];
const linking = [
  '-shared',
  '-nostartfiles',
  '-s',
  '-Wl,-e,guard_entry,-z,now,-z,relro,-z,noexecstack,-z,defs,--gc-sections',
];

/** Of Debian 10: a rootfs may be older than the machine that built this. */
const oldestGlibc = [2, 28] as const;

/** Builds glusterfs-guard, with a compiler from Debian where the machine has none. */
export async function buildGuard(architecture: Architecture): Promise<void> {
  const { packages, tool } = toolchainOf(architecture);
  const gcc = tool('gcc');
  await ensureInstalled(packages);
  await withScratch(`${cacheDirectory}/guard`, async (objects) => {
    const unfinished = `${objects}/glusterfs-guard`;
    const compiled = await Promise.all([
      compile(gcc, 'start', freestanding, objects),
      compile(gcc, 'confine', [], objects),
      compile(gcc, 'interpose', [], objects),
    ]);
    await execa(gcc, [...linking, '-o', unfinished, ...compiled]);
    await checkVersions(unfinished);
    await copyWhole(unfinished, distributionOf(architecture).guard);
  });
}

async function compile(
  gcc: string,
  name: string,
  more: readonly string[],
  directory: string,
): Promise<string> {
  const object = `${directory}/${name}.o`;
  await execa(gcc, [...flags, ...more, '-c', `${repository}/src/guard/${name}.c`, '-o', object]);
  return object;
}

/** @throws Error when it needs a newer C library than a rootfs may have: ld.so would go on without it. */
async function checkVersions(file: string): Promise<void> {
  const { stdout } = await execa('readelf', ['--version-info', file]);
  const tooNew = [...stdout.matchAll(/GLIBC_(\d+)\.(\d+)/g)].find(([, major, minor]) => {
    const [oldestMajor, oldestMinor] = oldestGlibc;
    return Number(major) !== oldestMajor || Number(minor) > oldestMinor;
  });
  if (tooNew !== undefined) throw new Error(`${file} needs ${tooNew[0]}: see .symver in src/guard`);
}
