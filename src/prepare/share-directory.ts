import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { Host } from '../host/host.ts';
import { readMountinfo } from '../host/mountinfo.ts';
import type { SharedDirectory } from '../manifest/shared-mounts.ts';
import { bringIntoSight } from './hidden-mounts.ts';
import { applyActions } from './mount-actions.ts';
import { recordSelfBind } from './self-binds.ts';
import { planShared } from './shared-mount.ts';

/** One or two do it, and one more finds nothing left to do; others are for who mounts there all the time. */
const maximumRounds = 20;

/**
 * Gives a directory of the host a peer group, and brings into sight what came to it meanwhile and is hidden.
 * @param directory its path on the host without symlinks.
 * @returns what was done, a line each; nothing where all is in place.
 * @throws MounterError (system) that names the path. What was done until then stays and is found by the next run.
 */
export async function shareDirectory(directory: SharedDirectory, host: Host): Promise<readonly string[]> {
  const done: string[] = [];
  for (let round = 1; round <= maximumRounds; round += 1) {
    const actions = planShared(directory, readMountinfo(host));
    if (actions.some(({ kind }) => kind === 'bind')) recordSelfBind(directory.host);
    done.push(...(await applyActions(actions)));
    const seen = await bringIntoSight(directory.host, host);
    done.push(...seen);
    if (actions.length + seen.length === 0) return done;
  }
  throw new MounterError('its mounts do not become as they should be', {
    subject: directory.host,
    status: exitCode.system,
    hint: 'see whether something else mounts there at the same time, and whether / is shared (mount --make-rshared /)',
  });
}
