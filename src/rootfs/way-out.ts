import { type Host, isSameFile } from '../host/host.ts';
import { runDirectory } from './layout.ts';

/** Asked at every start, a mount's too: by the Host alone. */

/** The roots that `mounter kubelet` has laid mounts in, for `teardown`: gone after a reboot, like the mounts. */
export const kubeletRootsFile = `${runDirectory}/kubelet-roots`;

export interface KubeletRoot {
  /** The extracted image, without symlinks. */
  readonly root: string;
  /** The kubelet directory of the host that it shares, without symlinks. */
  readonly kubeletDirectory: string;
  /** Where something was mounted, as the host names it. */
  readonly targets: readonly string[];
}

/** What cannot be read is as good as none: only we write it, and whole. */
export function readKubeletRoots(host: Host): readonly KubeletRoot[] {
  const text = host.readText(kubeletRootsFile);
  return text === undefined ? [] : JSON.parse(text);
}

/** Process 1's root directory: ours from before whichever chroot(2). */
const hostRoot = '/proc/1/root';

/**
 * The way back to the host's root directory for a process that was started by a kubelet in a root of ours. The
 * mounter has to run where `prepare` has laid its mounts: those it sees in the kubelet's root would be copies,
 * and old ones after the next upgrade.
 *
 * A chroot of anybody else's, such as one in which an image is built, is left alone; so is a container.
 * @returns undefined everywhere else.
 */
export function wayOutOfKubeletRoot(host: Host): string | undefined {
  try {
    const [own, first] = [host.stat('/'), host.stat(`${hostRoot}/.`)];
    if (first === undefined || isSameFile(own, first)) return undefined;
    if (!isSameFile(host.stat('/proc/1/ns/mnt'), host.stat('/proc/self/ns/mnt'))) return undefined;
    const isOurs = readKubeletRoots(host).some(({ root }) => isSameFile(host.stat(hostRoot + root), own));
    return isOurs ? hostRoot : undefined;
  } catch {
    return undefined; // Only root may look; nobody else can mount either.
  }
}
