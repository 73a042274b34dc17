import { ensureInstalled, unpackedPackage } from '../../../scripts/debian.ts';
import { vmSuite } from '../vm/suite.ts';

/**
 * Debian's containerd, and the runtimes and network plugins that it calls. Installed, containerd itself would run as a
 * service; the others are only programs.
 * @returns the directory of its programs.
 */
export async function ensureContainerRuntime(): Promise<string> {
  await ensureInstalled(['runc', 'crun', 'containernetworking-plugins']);
  return `${await unpackedPackage('containerd')}/usr/bin`;
}

/** The same for the test VM, where nothing is installed: where it sees what has been unpacked here. */
export const runtimeInVm = {
  containerd: `/host/.cache/containerd-${vmSuite}/files/usr/bin`,
  runc: `/host/.cache/runc-${vmSuite}/files/usr/sbin/runc`,
  plugins: `/host/.cache/containernetworking-plugins-${vmSuite}/files/usr/lib/cni`,
} as const;

export async function ensureRuntimeForVm(): Promise<void> {
  for (const name of ['containerd', 'runc', 'containernetworking-plugins'])
    await unpackedPackage(name, vmSuite);
}
