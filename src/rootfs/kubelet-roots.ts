import { rmSync } from 'node:fs';
import type { Host } from '../host/host.ts';
import { writeAtomically } from '../host/replace.ts';
import { type KubeletRoot, kubeletRootsFile, readKubeletRoots } from './kubelet-chroot.ts';

/** Remembers `root`; what was known of it before is replaced. */
export function recordKubeletRoot(host: Host, root: KubeletRoot): void {
  const others = readKubeletRoots(host).filter((other) => other.root !== root.root);
  const text = JSON.stringify([...others, root]);
  if (host.readText(kubeletRootsFile) !== text) writeAtomically(kubeletRootsFile, text, 0o644);
}

export function forgetKubeletRoots(): void {
  rmSync(kubeletRootsFile, { force: true });
}
