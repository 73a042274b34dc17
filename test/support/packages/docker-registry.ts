import { unpackedPackage } from '../../../scripts/debian.ts';

/** Debian's docker-registry. Installed, it would be a service that all the world may reach. @returns its path. */
export async function ensureDockerRegistry(): Promise<string> {
  return `${await unpackedPackage('docker-registry')}/usr/bin/docker-registry`;
}
