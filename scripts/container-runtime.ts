import { ensureInstalled } from './debian.ts';
import { unpackedPackage } from './unpacked-package.ts';

/**
 * Debian's containerd, and the runtimes and network plugins that it calls. Installed, containerd itself would run as a
 * service; the others are only programs.
 * @returns the directory of its programs.
 */
export async function ensureContainerRuntime(): Promise<string> {
  await ensureInstalled(['runc', 'crun', 'containernetworking-plugins']);
  return `${await unpackedPackage('containerd')}/usr/bin`;
}
