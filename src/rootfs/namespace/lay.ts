import { mkdirSync, rmdirSync } from 'node:fs';
import type { Host } from '../../host/host.ts';
import { pivotRoot } from '../../host/mount-calls.ts';
import type { MountEntry } from '../../host/mountinfo.ts';
import type { ManifestMount } from '../manifest.ts';
import { makeMountPoint, observe } from '../mount-points.ts';
import { applyHere } from './apply-here.ts';
import { planMountPoint, planNamespaceRoot } from './plan.ts';

/** Where the host's tree is for a moment; made and removed by us. */
const oldRoot = '.mounter-host';

/**
 * Makes the rootfs the root of this thread's mount namespace, a new copy of the host's, with the mounts of the
 * manifest in it and nothing else. Nothing of it is seen on the host, and it is whole or an error.
 * @param root `versions/<digest>`, without symlinks.
 * @param mounts whose host path is there.
 * @param entries of the host; the copy has the same.
 * @throws MounterError, or like node:fs, when a step fails; the namespace is then of no use.
 */
export function layNamespace(
  root: string,
  mounts: readonly ManifestMount[],
  entries: readonly MountEntry[],
  host: Host,
): void {
  applyHere(planNamespaceRoot(root, entries));
  for (const mount of mounts) {
    const observed = observe(mount, root, host);
    makeMountPoint(observed, root);
    applyHere(planMountPoint(observed, entries));
  }
  mkdirSync(`${root}/${oldRoot}`, { recursive: true });
  // `pivot_root . .` would do without a directory, and leave us no name for the host's tree alone.
  pivotRoot(root, `${root}/${oldRoot}`);
  // The host's tree is a peer of the host's own: a slave's umount spreads to nobody.
  applyHere([
    { kind: 'propagation', to: `/${oldRoot}`, propagation: 'rslave' },
    { kind: 'detach', to: `/${oldRoot}` },
  ]);
  rmdirSync(`/${oldRoot}`);
}
