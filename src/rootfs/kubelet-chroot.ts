import { type Host, isSameFile } from '../host/host.ts';
import { runDirectory } from '../node/layout.ts';

/** Asked at every start, a mount's too: by the Host alone. */

/** The images that kubelets were started in, for `teardown`: gone after a reboot, like what was mounted for them. */
export const kubeletRootsFile = `${runDirectory}/kubelet-roots`;

export interface KubeletRoot {
  /** The extracted image, without symlinks. */
  readonly root: string;
  /** The kubelet directory of the host that it shares, without symlinks. */
  readonly kubeletDirectory: string;
  /** Mount points in the image, as the host names them: an earlier mounter has mounted there, this one does not. */
  readonly targets?: readonly string[] | undefined;
}

/** @returns none where the file cannot be read: only we write it, and always as a whole. */
export function readKubeletRoots(host: Host): readonly KubeletRoot[] {
  const text = host.readText(kubeletRootsFile);
  return text === undefined ? [] : JSON.parse(text);
}

/** A kubelet in an image has a filesystem here, in its own mount namespace alone: links, and whose they are. */
export const kubeletViewDirectory = `${runDirectory}/kubelet`;

/** The path of the image; nobody on the host has this file. */
export const kubeletImageFile = `${kubeletViewDirectory}/image`;

/** Process 1's root directory. */
const hostRoot = '/proc/1/root';
const hostNamespace = '/proc/1/ns/mnt';

/**
 * How a process that a kubelet in an image has started gets back to the host: by the mount namespace of process 1. The
 * mounts that it sees are copies, and old ones after the next upgrade. A kubelet of an earlier version is still in a
 * chroot, which setns(2) leaves as well.
 * @returns undefined everywhere else: in anybody else's chroot or container.
 */
export function namespaceOutsideKubeletChroot(host: Host): string | undefined {
  try {
    const [own, first] = [host.stat('/'), host.stat(`${hostRoot}/.`)];
    if (first === undefined) return undefined;
    const isInHosts = () => isSameFile(host.stat(hostNamespace), host.stat('/proc/self/ns/mnt'));
    const isOurs = isSameFile(own, first)
      ? host.stat(kubeletImageFile) !== undefined && !isInHosts()
      : isInHosts() && readKubeletRoots(host).some(({ root }) => isSameFile(host.stat(hostRoot + root), own));
    return isOurs ? hostNamespace : undefined;
  } catch {
    return undefined; // Only root may look; nobody else can mount either.
  }
}
