import { MounterError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { type MountEntry, mountAt, readMountinfo } from '../host/mountinfo.ts';
import { applyActions, remountOptions } from './mount-actions.ts';

/**
 * Lets nothing in the rootfs follow a symlink of the shared directory at `target`: a container that swaps one
 * in while a helper resolves its target, or opens a log, leads it nowhere. The host's own view stays as it
 * is, and so do the volumes mounted below. Kernels before 5.10 and their mount(8) ignore the flag; there the
 * checks of src/mount/steps/target.ts stand alone.
 * @returns what was done, a line each.
 */
export async function forbidSymlinks(target: string, host: Host): Promise<readonly string[]> {
  const entry = mountAt(readMountinfo(host), target);
  if (entry === undefined || hasFlag(entry)) return [];
  const options = remountOptions(entry.mountOptions, 'nosymfollow');
  try {
    const done = await applyActions([{ kind: 'remount', to: target, options }]);
    return hasFlag(mountAt(readMountinfo(host), target)) ? done : [];
  } catch (error) {
    if (error instanceof MounterError) return [];
    throw error;
  }
}

function hasFlag(entry: MountEntry | undefined): boolean {
  return entry?.mountOptions.includes('nosymfollow') === true;
}
