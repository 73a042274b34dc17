import { type Architecture, architectures } from './architectures.ts';
import { unpackedPackage } from './debian.ts';

/**
 * Debian's emulator of another architecture's programs. Installed, it would have the kernel run all of them by itself.
 * @returns the path of a static program.
 */
export async function emulatorOf(architecture: Architecture): Promise<string> {
  return `${await unpackedPackage('qemu-user-static', 'bookworm')}/usr/bin/${architectures[architecture].emulator}`;
}
