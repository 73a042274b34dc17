import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Manifest, ManifestMount } from '../manifest/manifest.ts';
import { isIdentityMount } from '../manifest/shared-mounts.ts';

/** The image that a kubelet runs in, and what of the host it is offered there. */
export interface Offer {
  /** The extracted image, without symlinks. */
  readonly root: string;
  readonly manifest: Manifest;
  /** The kubelet directory when it is not the manifest's. */
  readonly rootDirectory: string | undefined;
  /** The host's `/`, when it is offered. */
  readonly hostRoot: HostMount | undefined;
}

/** No tmpfs: a kubelet's own would be gone at its restart. */
export type HostMount = ManifestMount & { readonly host: string };

/** The kubelet directory first. */
export function offeredMounts(offer: Offer): readonly HostMount[] {
  const { manifest, hostRoot } = offer;
  const host = hostRoot === undefined ? [] : [hostRoot];
  return [kubeletMount(offer), ...manifest.mounts.kubelet.filter(isHostMount), ...host];
}

function isHostMount(mount: ManifestMount): mount is HostMount {
  return mount.host !== undefined;
}

/** Shared: what the kubelet mounts below it appears on the host, and for the containers. */
export function kubeletMount({
  manifest,
  rootDirectory,
}: Pick<Offer, 'manifest' | 'rootDirectory'>): HostMount {
  const own = manifest.mounts.mounter.find(isIdentityMount);
  const path = rootDirectory ?? own?.host ?? '/var/lib/kubelet';
  const create = path === own?.host ? own.create : undefined;
  const mount = { host: path, rootfs: path, type: 'rbind', access: 'rw', propagation: 'shared' } as const;
  return { ...mount, optional: false, ...(create === undefined ? {} : { create }) };
}

/** The kubelet directory without symlinks, as mountinfo has it. @throws MounterError (system) when it is missing. */
export function kubeletDirectory(offer: Offer): string {
  const { host } = kubeletMount(offer);
  if (!existsSync(host)) throw missingPath(host);
  return realpathSync(host);
}

export function missingPath(subject: string): MounterError {
  const isDangling = lstatSync(subject, { throwIfNoEntry: false }) !== undefined;
  return new MounterError(isDangling ? 'is a symlink that leads nowhere' : 'this host path does not exist', {
    subject,
    status: exitCode.system,
    hint: `mkdir -p ${isDangling ? `"$(readlink -m ${subject})"` : subject}; or mark it "optional" in mounts.kubelet of node-settings.json, where it is from there`,
  });
}

/**
 * The mount that offers the host's `/` in the kubelet's root.
 * @param word `PATH[:slave|shared]`; slave if left out: what the kubelet mounts there stays in its root.
 * @throws MounterError (usage)
 */
export function parseHostRoot(word: string): HostMount {
  const [, path = '', propagation = 'slave'] = /^([^:]*)(?::(.*))?$/s.exec(word) ?? [];
  if (propagation !== 'slave' && propagation !== 'shared')
    throw unusable(word, `${propagation} is neither slave nor shared`);
  const parts = path.split('/').slice(1);
  if (!path.startsWith('/') || parts.some((part) => part === '' || part === '.' || part === '..'))
    throw unusable(word, 'is not an absolute path below / in its plain form');
  return { host: '/', rootfs: path, type: 'rbind', access: 'rw', propagation, optional: false };
}

function unusable(subject: string, message: string): MounterError {
  return new MounterError(message, {
    subject,
    status: exitCode.usage,
    hint: 'such as --host-root /host or --host-root /host:shared',
  });
}
