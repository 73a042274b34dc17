import { existsSync } from 'node:fs';
import { readText } from '../../host/read-text.ts';
import { type CertificateFiles, certificateFilesIn, readCertificateFiles } from './certificates.ts';
import { type HostEntry, parseHostsToml } from './hosts-toml.ts';
import type { HostSettings } from './http-client.ts';

/** containerd's directories; of its own it reads docker's as well. */
const containerdRoots = ['/etc/containerd/certs.d', '/etc/docker/certs.d'];
/** Those of docker and of skopeo and podman, which have certificates in them and nothing else. */
const certificateRoots = ['/etc/docker/certs.d', '/etc/containers/certs.d'];

/** What the node's administrator has set for a registry. */
export interface RegistrySettings {
  /** Where to ask for what is there, in order; empty where nobody says. */
  readonly hosts: readonly HostEntry[];
  /** For the registry itself. */
  readonly files: readonly CertificateFiles[];
}

/**
 * containerd's settings for `registry`: those of the first directory that there is for it; `_default` is for any. A
 * hosts.toml that cannot be understood is none, as for containerd.
 * @param registry as references name it: `docker.io`, `registry.example:5000`.
 * @param warn is told of such a file.
 */
export function registrySettings(registry: string, warn: (message: string) => void): RegistrySettings {
  const directory = containerdRoots
    .flatMap((root) => directoriesOf(root, registry))
    .find((path) => existsSync(path));
  const hosts = directory === undefined ? [] : hostsIn(directory, warn);
  const own = directory === undefined || hosts.length > 0 ? [] : [certificateFilesIn(directory)];
  return { hosts, files: [...own, ...certificateFilesFor(registry)] };
}

/** The certificates that docker, podman and skopeo use for a host, whatever it is asked for. */
export function certificateFilesFor(host: string): readonly CertificateFiles[] {
  return certificateRoots.map((root) => certificateFilesIn(`${root}/${host}`));
}

/**
 * A host of which the node has certificates, and nothing else to say.
 * @param files where they are, if not only where they are for any host of that name.
 * @throws MounterError (usage) for a file that cannot be used.
 */
export function hostSettings(host: string, files = certificateFilesFor(host)): HostSettings {
  const certificates = readCertificateFiles(files);
  return { host, certificates, isUnverified: false, isPlainAllowed: false, headers: {} };
}

/** Windows has no colons in names. */
function directoriesOf(root: string, registry: string): readonly string[] {
  const withPort = registry.replace(/:(\d+)$/, '_$1_');
  return [...new Set([withPort, registry, '_default'])].map((name) => `${root}/${name}`);
}

function hostsIn(directory: string, warn: (message: string) => void): readonly HostEntry[] {
  const file = `${directory}/hosts.toml`;
  if (!existsSync(file)) return [];
  try {
    const text = readText(file);
    return text === '' ? [] : parseHostsToml(text, directory);
  } catch (error) {
    warn(`${file} is passed over, as containerd does: ${error instanceof Error ? error.message : error}`);
    return [];
  }
}
