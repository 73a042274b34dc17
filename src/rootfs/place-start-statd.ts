import { writeAtomically } from '../host/files.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import type { Layout } from './layout.ts';
import type { Manifest, ManifestMount } from './manifest.ts';
import type { MountAction } from './mount-actions.ts';
import { makeMountPoint, observe } from './mount-points.ts';
import { planRootfsMount } from './mounts.ts';
import type { PrepareContext } from './prepare.ts';
import { startStatdScript } from './start-statd.ts';

/** A changed script gets a file of its own: sh reads the old one while it runs. */
export function startStatdActions(
  root: string,
  { host, layout, manifest }: PrepareContext,
  done: string[],
): readonly MountAction[] {
  const script = startStatdScript(manifest);
  if (host.readText(layout.startStatd) !== script) {
    writeAtomically(layout.startStatd, script, 0o755);
    done.push(`wrote ${layout.startStatd}`);
  }
  const observed = observe(startStatdMount(layout, manifest), root, host);
  makeMountPoint(observed, root);
  return planRootfsMount(observed, readMountinfo(host));
}

export function startStatdMount(layout: Layout, manifest: Manifest): ManifestMount {
  const path = manifest.daemons.startStatd;
  return {
    host: layout.startStatd,
    rootfs: path,
    type: 'bind',
    access: 'rw',
    propagation: 'private',
    optional: false,
  };
}
