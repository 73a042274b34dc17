import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import { type MountEntry, mountAt, readMountinfo } from '../host/mountinfo.ts';
import type { SharedDirectory } from '../manifest/shared-mounts.ts';
import { bringIntoSight } from './hidden-mounts.ts';
import { applyActions, remountOptions } from './mount-actions.ts';
import { recordSelfBind } from './self-binds.ts';
import { planShared } from './shared-mount.ts';

/** One or two attempts do it, and one more finds nothing to do; further ones are for when others mount there meanwhile. */
const maximumAttempts = 20;

/**
 * Gives a directory of the host a peer group, and brings into sight what came to it meanwhile and is hidden.
 * @param directory its path on the host without symlinks.
 * @returns what was done, a line each; nothing where all is in place.
 * @throws MounterError (system) that names the path. What was done until then stays and is found by the next run.
 */
export async function shareDirectory(directory: SharedDirectory, host: Host): Promise<readonly string[]> {
  const done: string[] = [];
  for (let attempt = 1; attempt <= maximumAttempts; attempt += 1) {
    const actions = planShared(directory, readMountinfo(host));
    if (actions.some(({ kind }) => kind === 'bind')) recordSelfBind(directory.host);
    done.push(...(await applyActions(actions)));
    const seen = await bringIntoSight(directory.host, host);
    done.push(...seen);
    if (actions.length + seen.length === 0) return done;
  }
  throw new MounterError(`its mounts are not as they have to be after ${maximumAttempts} attempts`, {
    subject: directory.host,
    status: exitCode.system,
    hint: 'see whether something else mounts there at the same time, and whether / is shared (mount --make-rshared /)',
  });
}

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
