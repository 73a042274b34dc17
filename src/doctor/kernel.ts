import { release } from 'node:os';
import type { Host } from '../host/host.ts';
import type { Filesystem } from '../manifest/manifest.ts';
import { typesThat } from '../mount/filesystems/all.ts';
import { deviceHint } from '../mount/steps/preconditions.ts';
import { hostPathOf } from '../rootfs/host-path.ts';
import type { DoctorContext } from './context.ts';
import { failing, type Judgement, ok } from './finding.ts';

/** The texts in which the kernel and its modules say what they offer. */
export interface KernelFiles {
  readonly release: string;
  /** /proc/filesystems */
  readonly filesystems: string;
  /** modules.dep and modules.builtin; undefined where there are none. */
  readonly modules: string | undefined;
  readonly builtin: string | undefined;
  /** /proc/sys/kernel/modules_disabled is 1. */
  readonly isClosed: boolean;
  /** The program that the kernel calls for a module, and whether it exists. */
  readonly modprobe: string;
  readonly hasModprobe: boolean;
}

/** Whether the kernel knows each filesystem that is offered, or finds its module when a mount asks for it. */
export function checkKernel({ host, manifest }: DoctorContext): readonly Judgement[] {
  const files = readKernelFiles(host);
  const byName = new Map<string, Filesystem>();
  for (const filesystem of Object.values(manifest.filesystems))
    if (!byName.has(filesystem.kernelFilesystem)) byName.set(filesystem.kernelFilesystem, filesystem);
  return [...byName].map(([name, filesystem]) => {
    const types = typesThat(manifest, (_, { kernelFilesystem }) => kernelFilesystem === name);
    return { ...judgeKernel(filesystem, files, types), types };
  });
}

export function readKernelFiles(host: Host): KernelFiles {
  const version = release();
  const modprobe = host.readText('/proc/sys/kernel/modprobe')?.trim() ?? '/sbin/modprobe';
  return {
    release: version,
    filesystems: host.readText('/proc/filesystems') ?? '',
    modules: host.readText(`/lib/modules/${version}/modules.dep`),
    builtin: host.readText(`/lib/modules/${version}/modules.builtin`),
    isClosed: host.readText('/proc/sys/kernel/modules_disabled')?.trim() === '1',
    modprobe,
    hasModprobe: host.stat(modprobe)?.isExecutable === true,
  };
}

/**
 * The kernel loads the module `fs-NAME` by itself, with the host's modprobe(8), when it does not know a
 * filesystem that is to be mounted.
 * @param types those of the settings that need it.
 */
export function judgeKernel(
  filesystem: Pick<Filesystem, 'kernelFilesystem' | 'kernelModule'>,
  files: KernelFiles,
  types: readonly string[] = [],
): Judgement {
  const { kernelFilesystem: name, kernelModule: module = name } = filesystem;
  if (isListed(name, files.filesystems)) return ok(name, 'the kernel has this filesystem');
  const isBuiltIn = hasModule(module, files.builtin);
  if (isBuiltIn) return ok(name, `${module} is built into the kernel`);
  if (!hasModule(module, files.modules)) {
    const lack = `the kernel does not have it, and /lib/modules/${files.release} has no module ${module}`;
    return lacking(
      name,
      lack,
      `install the kernel's modules, or boot a kernel with ${module}${types.length === 0 ? '' : `; where no volume is of this type, set ${types.map((type) => `filesystems.${type}`).join(' and ')} to null in node-settings.json`}`,
    );
  }
  if (files.isClosed)
    return lacking(
      name,
      `module ${module} is not loaded, and modules_disabled forbids it`,
      `load ${module} at boot, before kernel.modules_disabled is set`,
    );
  if (!files.hasModprobe)
    return lacking(
      name,
      `module ${module} is not loaded, and there is no modprobe(8) for the kernel to call`,
      `put modprobe at ${files.modprobe}, or load ${module} at boot`,
    );
  return ok(name, `module ${module} is loaded by the first mount`);
}

function lacking(subject: string, message: string, hint: string): Judgement {
  return { level: 'lacking', subject, message, hint };
}

/** Lines such as `nodev\tnfs` and `\text4`. */
function isListed(name: string, filesystems: string): boolean {
  return filesystems.split('\n').some((line) => line.split('\t').at(-1) === name);
}

/** Lines such as `kernel/fs/nfs/nfs.ko.xz: kernel/…`; a module's name has `_` where its file may have `-`. */
function hasModule(module: string, text: string | undefined): boolean {
  const wanted = module.replaceAll('-', '_');
  return (text ?? '').split('\n').some((line) => {
    const file = /([^/:]+)\.ko(?:\.[a-z0-9]+)?(?::|$)/.exec(line)?.[1];
    return file?.replaceAll('-', '_') === wanted;
  });
}

/** The device nodes that the helpers open, on the host and in the rootfs. */
export function checkDevices({ host, root, manifest }: DoctorContext): readonly Judgement[] {
  const paths = new Set(Object.values(manifest.filesystems).flatMap(({ devices }) => devices));
  return [...paths].map((path) => {
    const types = typesThat(manifest, (_, { devices }) => devices.includes(path));
    if (host.stat(path)?.kind !== 'device')
      return failing(path, 'is missing on this node', deviceHint(path), types);
    if (host.stat(hostPathOf(path, { rootfs: root }, manifest, host))?.kind !== 'device')
      return failing(path, 'is on the host, but not in the rootfs', 'run mounter prepare', types);
    return ok(path, 'is there, on the host and in the rootfs');
  });
}
