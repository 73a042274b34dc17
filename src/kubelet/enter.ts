import { closeSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { attachMount, copyMount, detach, mount, mountFlags } from '../host/mount-calls.ts';
import { leaveNamespace } from '../host/mount-namespace.ts';
import type { MountEntry } from '../host/mountinfo.ts';
import { resolveInRoot } from '../host/path-in-root.ts';
import { about, isErrnoException } from '../host/system-error.ts';
import { applyHere } from '../prepare/namespace/apply-here.ts';
import { kubeletImageFile, kubeletViewDirectory } from '../rootfs/kubelet-chroot.ts';
import type { ProgramDirectory } from './program-directories.ts';
import { hostView, type KubeletView, loaderCacheFile, type ViewMount } from './view.ts';

/**
 * Makes the view in a mount namespace that this process has for itself from here on:
 * 1. a copy of the host's mounts, all of them peers of the host's;
 * 2. of what stays shared, the kubelet directory first, a copy is set aside;
 * 3. all else receives what is mounted on the host, and gives nothing back;
 * 4. the image's programs are laid over the host's;
 * 5. what was set aside is attached in its place.
 * @param entries of the host's mountinfo.
 * @throws like node:fs. Nothing of it is seen on the host, and it ends with this process.
 */
export function enterView(view: KubeletView, entries: readonly MountEntry[]): void {
  leaveNamespace();
  const copies = view.mounts.map((wanted) => ({ wanted, fd: copyOf(wanted) }));
  applyHere([{ kind: 'propagation', to: '/', propagation: 'rslave' }]);
  layPrograms(view);
  for (const { wanted, fd } of copies) {
    for (const { mountPoint } of entries) if (mountPoint === wanted.to) detach(wanted.to);
    attachMount(fd, wanted.to);
    closeSync(fd);
    settle(wanted);
  }
}

function copyOf({ from, type }: ViewMount): number {
  try {
    return copyMount(from, type === 'rbind');
  } catch (error) {
    if (!isErrnoException(error) || error.code !== 'ENOSYS') throw error;
    throw new MounterError('this kernel cannot copy a mount: open_tree(2) came with Linux 5.2', {
      subject: from,
      status: exitCode.system,
      hint: 'run the kubelet outside of an image, or a newer kernel',
      cause: error,
    });
  }
}

function settle({ to, propagation, readOnlyOptions }: ViewMount): void {
  if (propagation !== 'shared')
    applyHere([{ kind: 'propagation', to, propagation: propagation === 'slave' ? 'rslave' : 'rprivate' }]);
  if (readOnlyOptions !== undefined) applyHere([{ kind: 'remount', to, options: readOnlyOptions }]);
}

function layPrograms({
  image,
  executableOptions,
  programs,
  hostDirectories,
  loaderCache,
}: KubeletView): void {
  if (executableOptions !== undefined)
    applyHere([bind(image, image, true), { kind: 'remount', to: image, options: executableOptions }]);
  mount(image, kubeletViewDirectory, mountFlags.nosuid | mountFlags.nodev, {
    type: 'tmpfs',
    data: 'mode=0755',
  });
  about(kubeletImageFile, () => writeFileSync(kubeletImageFile, `${image}\n`));
  showHost(hostDirectories);
  for (const [index, directory] of programs.entries())
    layLinks(directory, `${kubeletViewDirectory}/${index}`);
  if (loaderCache === undefined) return;
  const empty = `${kubeletViewDirectory}/no-cache`;
  writeFileSync(empty, '');
  applyHere([bind(loaderCache || empty, loaderCacheFile)]);
}

/** The directories themselves, and all others by a link: a symlink of the host that leads out by `..` is right too. */
function showHost(directories: readonly string[]): void {
  mkdirSync(hostView);
  for (const name of readdirSync('/')) {
    if (!directories.includes(`/${name}`)) {
      symlinkSync(`/${name}`, `${hostView}/${name}`);
      continue;
    }
    mkdirSync(`${hostView}/${name}`);
    applyHere([bind(`/${name}`, `${hostView}/${name}`, true)]);
  }
}

/** Read-only: what a kubelet makes there would be nowhere on the host. */
function layLinks({ path, links }: ProgramDirectory, made: string): void {
  mkdirSync(made);
  for (const [name, to] of links) symlinkSync(to, `${made}/${name}`);
  applyHere([bind(made, path), { kind: 'remount', to: path, options: 'ro,nosuid,nodev' }]);
}

function bind(from: string, to: string, isRecursive = false) {
  return { kind: 'bind', from, to, isRecursive, propagation: 'unchanged' } as const;
}

/** @returns the working directory: the image's of that name, or `/` where it has none. */
export function enterDirectory(image: string, workingDirectory: string): string {
  const own = resolveInRoot(image, workingDirectory) ?? '/';
  const isThere = own !== '/' && lstatSync(`${image}${own}`).isDirectory();
  const directory = isThere ? `${image}${own}` : '/';
  process.chdir(directory);
  return directory;
}
