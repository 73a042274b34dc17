import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Layout } from '../rootfs/layout.ts';
import type { Manifest, ManifestMount } from '../rootfs/manifest.ts';

/** What a kubelet is to run in, and what of the host it is offered there. */
export interface Offer {
  /** The extracted image, without symlinks. */
  readonly root: string;
  readonly layout: Layout;
  readonly manifest: Manifest;
  /** The kubelet directory when it is not the manifest's. */
  readonly rootDirectory: string | undefined;
  /** The host's `/`, when it is offered. */
  readonly hostRoot: HostMount | undefined;
}

/** No tmpfs: a kubelet's own would be gone at its restart. */
export type HostMount = ManifestMount & { readonly host: string };

/** @throws MounterError (system) when the manifest knows of none: it is older than this command. */
export function offeredMounts(offer: Offer): readonly HostMount[] {
  const { manifest, layout, hostRoot } = offer;
  if (manifest.mounts.kubelet.length === 0) throw noMounts(layout);
  const host = hostRoot === undefined ? [] : [hostRoot];
  return [kubeletMount(offer), ...manifest.mounts.kubelet.filter(isHostMount), homeMount(layout), ...host];
}

function isHostMount(mount: ManifestMount): mount is HostMount {
  return mount.host !== undefined;
}

function noMounts({ manifest }: Layout): MounterError {
  return new MounterError('mounts.kubelet: is empty: a kubelet would have neither /proc nor /run', {
    subject: manifest,
    status: exitCode.system,
    hint: 'run mounter install with a manifest of this version, or add the mounts',
  });
}

/** Shared: what the kubelet mounts below it appears on the host, and for the containers. */
export function kubeletMount({
  manifest,
  rootDirectory,
}: Pick<Offer, 'manifest' | 'rootDirectory'>): HostMount {
  const own = manifest.mounts.mounter.find((m) => m.propagation === 'shared' && m.host === m.rootfs);
  const path = rootDirectory ?? own?.host ?? '/var/lib/kubelet';
  const create = path === own?.host ? own.create : undefined;
  const mount = { host: path, rootfs: path, type: 'rbind', access: 'rw', propagation: 'shared' } as const;
  return { ...mount, optional: false, ...(create === undefined ? {} : { create }) };
}

/**
 * The mounter itself, for `--experimental-mounter-path`, and the resolv.conf in its rootfs, which kubelet
 * writes. Without what is mounted below it: that would cost another line of mountinfo for each volume.
 */
function homeMount({ home }: Layout): HostMount {
  return { host: home, rootfs: home, type: 'bind', access: 'rw', propagation: 'private', optional: true };
}
